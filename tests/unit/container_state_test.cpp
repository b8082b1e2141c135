// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The state that container runtimes hand to a hook.
#include "cli/container_state.hpp"

#include <gtest/gtest.h>

namespace bpfport {
namespace {

TEST(ContainerState, AsRuntimesWriteIt) {
    auto state = parse_container_state(R"({"ociVersion": "1.0.2", "id": "web", "status": "created",
        "pid": 4321, "bundle": "/b", "annotations": {"bpfport.publish": "80:3000",
        "bpfport.grant": "443", "other": "x"}})");
    ASSERT_TRUE(state) << state.error().message;
    EXPECT_EQ(state->id, "web");
    EXPECT_EQ(state->pid, 4321);
    EXPECT_EQ(state->publish, "80:3000");
    EXPECT_EQ(state->grant, "443");
    auto stopped = parse_container_state(R"({"id": "web", "status": "stopped", "pid": 4321})");
    ASSERT_TRUE(stopped);
    EXPECT_EQ(stopped->pid, 0);
    EXPECT_EQ(stopped->publish, "");
}

TEST(ContainerState, OfAnotherShapeIsNone) {
    for (const char* text : {"", "{", "[]", "{}", R"({"id": 1})", R"({"id": ""})"}) {
        auto state = parse_container_state(text);
        ASSERT_FALSE(state) << text;
        EXPECT_EQ(state.error().fault, Fault::kUsage);
        EXPECT_FALSE(state.error().hint.empty());
    }
    // A status that is no text used to end the process.
    auto odd = parse_container_state(
        R"({"id": "x", "status": 5, "pid": 4294967297, "annotations": {"bpfport.publish": 1}})");
    ASSERT_TRUE(odd);
    EXPECT_EQ(odd->pid, 0);
    EXPECT_EQ(odd->publish, "");
    EXPECT_EQ(parse_container_state(R"({"id": "x", "annotations": []})")->grant, "");
}

} // namespace
} // namespace bpfport
