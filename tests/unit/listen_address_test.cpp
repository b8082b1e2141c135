// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Addresses to listen on, as they are typed.
#include "cli/listen_address.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bpfport {
namespace {

TEST(ListenAddress, IsReadAndPrinted) {
    for (const char* text : {"127.0.0.1:9880", "[::1]:9880", "0.0.0.0:0", "[2001:db8::1]:65535"}) {
        auto address = ListenAddress::parse(text);
        ASSERT_TRUE(address) << text;
        EXPECT_EQ(address->text(), text);
    }
}

TEST(ListenAddress, MistakesAreQuoted) {
    for (const char* text : {"", "9880", ":9880", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
                             "::1:9880", "[127.0.0.1]:9880", "localhost:9880"}) {
        auto address = ListenAddress::parse(text);
        ASSERT_FALSE(address) << text;
        EXPECT_EQ(address.error().fault, Fault::kUsage);
    }
    auto address = ListenAddress::parse("\x1b[2J");
    ASSERT_FALSE(address);
    EXPECT_THAT(address.error().message, testing::StartsWith("\"\\x1b[2J\" is not an address"));
}

} // namespace
} // namespace bpfport
