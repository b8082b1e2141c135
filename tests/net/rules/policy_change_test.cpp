// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A policy is in force wholly or not at all: with a wrong part, killed on the way, or taken back because
// it was not confirmed.
#include <signal.h>

#include <thread>

#include "net/rules/policy.hpp"

namespace bpfport::test {
namespace {

using testing::ElementsAre;

constexpr auto kServer = ClientServer::server_address;

TEST_F(NetTest, PolicyWithOneWrongPartChangesNothing) {
    const ClientServer net;
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000"));
    const PolicyText wrong(entry("eth0", "\"81:3000\"") + entry("eth0", "\"82\""));
    EXPECT_EQ(apply(net.server, wrong).status, 2);
    const TcpServer taken(net.server, {"::", 83});
    const PolicyText theft(entry("eth0", "\"81:3000\", \"83:3000\"", "engine = \"tc\""));
    EXPECT_EQ(apply(net.server, theft).status, 1);
    EXPECT_THAT(apply(net.server, theft).err, HasSubstr("port 83 is taken"));
    EXPECT_THAT(rules(net.server), ElementsAre("80:3000 on eth0"));
    const PolicyText forced(entry("eth0", "\"83:3000\"", "engine = \"tc\"\nforce = true"));
    EXPECT_EQ(apply(net.server, forced).status, 0);
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// The rules of a namespace are those before or those after, and the next command goes on from there.
TEST_F(NetTest, PolicyKilledAtAnyMoment) {
    const ClientServer net;
    const Service web(net.server, 3000);
    const std::string tc = "engine = \"tc\"";
    const PolicyText before(entry("eth0", "\"80:3000\", \"81:3000\", \"82:3000\"", tc));
    const PolicyText after(entry("eth0", "\"80:3000\", \"81:4000\", \"83:3000\"", tc));
    ASSERT_EQ(apply(net.server, before).status, 0);
    const auto old_rules = rules(net.server);
    const auto command =
        bpfport_command({"--netns", net.server.name(), "apply", after.name(), "--prune"});
    bool killed_before = false, killed_after = false;
    for (int delay = 2; delay < 60 && !killed_after; delay += 4) {
        Process applying(command);
        std::this_thread::sleep_for(std::chrono::milliseconds(delay));
        applying.signal(SIGKILL);
        applying.wait();
        const auto now = rules(net.server);
        killed_before |= now == old_rules;
        killed_after |= now != old_rules;
        if (now != old_rules) {
            EXPECT_THAT(now, testing::UnorderedElementsAre("80:3000 on eth0", "81:4000 on eth0",
                                                           "83:3000 on eth0"));
        }
        EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "hello");
    }
    EXPECT_TRUE(killed_before);
    EXPECT_EQ(apply(net.server, after, {"--prune"}).status, 0);
    EXPECT_EQ(apply(net.server, after, {"--prune"}).out.find("left"), std::string::npos);
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_F(NetTest, PolicyIsTakenBackUnlessItIsConfirmed) {
    const ClientServer net;
    const Service web(net.server, 3000);
    const Service other(net.server, 4000, {.answer = "other"});
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 81:3000"));
    const auto before = rules(net.server);
    const PolicyText file(entry("eth0", "\"80:4000\", \"82:4000\"", "engine = \"tc\""));
    EXPECT_EQ(bpfport(net.server, {"confirm"}).status, 1);
    const auto alone = apply(net.server, file, {"--prune", "--confirm", "1s"});
    EXPECT_EQ(alone.status, 1);
    EXPECT_THAT(alone.err, HasSubstr("not confirmed: all is as it was before"));
    EXPECT_THAT(rules(net.server), testing::UnorderedElementsAreArray(before));
    EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "hello");

    const auto command = bpfport_command(
        {"--netns", net.server.name(), "apply", file.name(), "--prune", "--confirm", "1m"});
    const auto applied = [&] {
        for (int looks = 0; looks < 200; looks++) {
            if (ask(net.client, {kServer(false), 80}, Transport::kTcp) == "other") return true;
            std::this_thread::sleep_for(20ms);
        }
        return false;
    };
    for (const bool confirmed : {false, true}) {
        Process applying(command);
        ASSERT_TRUE(applied());
        EXPECT_THAT(apply(net.server, file).err, HasSubstr("waits to be confirmed"));
        EXPECT_EQ(apply(net.server, file, {"--dry-run"}).status, 0);
        if (confirmed) {
            EXPECT_EQ(bpfport({"confirm"}).status, 0);
        } else {
            applying.signal(SIGHUP); // the connection that it was typed on is lost
        }
        EXPECT_EQ(applying.wait().status, confirmed ? 0 : 1);
        EXPECT_EQ(rules(net.server) == before, !confirmed);
    }
    EXPECT_EQ(bpfport({"confirm"}).status, 1);
    EXPECT_THAT(apply(net.server, file, {"--confirm", "5m"}).out, HasSubstr("\n2 the same\n"));
    for (const char* wrong : {"0", "x", "2h", "4000"})
        EXPECT_EQ(apply(net.server, file, {"--confirm", wrong}).status, 2) << wrong;
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

} // namespace
} // namespace bpfport::test
