// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Connections outlive what happens to the rules: attach, detach, other rules, --replace, --drain,
// --force.
#include <signal.h>

#include "net/fixture.hpp"
#include "net/rules/transfer.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;

class Lifecycle : public EveryMode {
  protected:
    static std::string mode() { return " " + GetParam().options(); }
};
INSTANTIATE_TEST_SUITE_P(, Lifecycle,
                         testing::Values(Mode{true, "tcx"}, Mode{true, "clsact"},
                                         Mode{false, "auto", "xdp"},
                                         Mode{true, "auto", "sklookup"}),
                         mode_name);

TEST_P(Lifecycle, DirectConnectionsSurviveAttachAndDetach) {
    const ClientServer net(GetParam().tx_checksum);
    const Service web(net.server, 3000);
    std::vector<std::unique_ptr<Transfer>> transfers;
    for (const bool ipv6 : {false, true}) {
        transfers.push_back(std::make_unique<Transfer>(net.client, Endpoint{kServer(ipv6), 3000}));
        transfers.push_back(std::make_unique<Transfer>(net.server, Endpoint{kServer(ipv6), 3000}));
    }
    auto idle = connected(net.client, {kServer(false), 3000});
    for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(works(net.server, "attach eth0 80:3000" + mode()));
        if (round == 1) {
            EXPECT_TRUE(alive(idle));
        }
        EXPECT_EQ(ask(net.client, {kServer(true), 80}, Transport::kTcp), "hello");
        ASSERT_TRUE(works(net.server, "detach eth0"));
    }
    EXPECT_TRUE(alive(idle));
    for (const auto& transfer : transfers) EXPECT_GT(transfer->finish(), 1U);
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_P(Lifecycle, RedirectedConnectionsSurviveOtherRules) {
    const ClientServer net(GetParam().tx_checksum);
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000" + mode()));
    Transfer outside(net.client, {kServer(false), 80});
    Transfer inside(net.server, {kServer(true), 80});
    auto idle = connected(net.client, {kServer(true), 80});
    EXPECT_TRUE(alive(idle));
    for (const char* words : {"attach eth0 81:3000 82:4000-4000/udp", "attach any 90-99:4090-4099",
                              "detach eth0 81:3000", "detach any", "attach eth0 80:3000"})
        ASSERT_TRUE(works(net.server, words)) << words;
    EXPECT_TRUE(alive(idle));
    EXPECT_GT(outside.finish(), 1U);
    EXPECT_GT(inside.finish(), 1U);
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_P(Lifecycle, ReplaceKeepsOldConnectionsOnTheOldTarget) {
    const ClientServer net(GetParam().tx_checksum);
    const TcpServer blue(net.server, {"::", 3000});
    const TcpServer green(net.server, {"::", 4000}, {.answer = "green"});
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000" + mode()));
    Transfer busy(net.client, {kServer(false), 80});
    auto idle = connected(net.client, {kServer(true), 80});
    EXPECT_TRUE(alive(idle));
    ASSERT_TRUE(works(net.server, "attach eth0 80:4000 --replace" + mode()));
    for (const bool ipv6 : {false, true})
        for (const Netns* from : {&net.client, &net.server})
            EXPECT_EQ(ask(*from, {kServer(ipv6), 80}, Transport::kTcp), "green");
    EXPECT_TRUE(alive(idle));
    EXPECT_EQ(ask(net.client, {kServer(false), 3000}, Transport::kTcp), "hello");
    EXPECT_THAT(status(net.server).at("rules").at(0).at("notes").get<std::string>(),
                HasSubstr("old-target:3000"));
    EXPECT_GT(busy.finish(), 1U);
    EXPECT_TRUE(alive(idle));
    idle.reset();
    ASSERT_TRUE(works(net.server, "attach eth0 81:3000")); // any command finishes it
    EXPECT_THAT(status(net.server).at("rules").at(0).at("notes").get<std::string>(),
                Not(HasSubstr("old-target")));
    EXPECT_EQ(ask(net.client, {kServer(true), 80}, Transport::kTcp), "green");
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_P(Lifecycle, DrainWaitsForTheLastConnection) {
    const ClientServer net(GetParam().tx_checksum);
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 81:3000" + mode()));
    auto open = connected(net.client, {kServer(false), 80});
    EXPECT_TRUE(alive(open));

    // With a time limit: what is left is told, and the rule stays, taking nothing new.
    EXPECT_TRUE(refuses(net.server, "detach eth0 80:3000 --drain --timeout 1", 1,
                        {"1 connection", "open"}));
    EXPECT_EQ(ask(net.client, {kServer(true), 80}, Transport::kTcp), "refused");
    EXPECT_EQ(ask(net.client, {kServer(true), 81}, Transport::kTcp), "hello");
    EXPECT_TRUE(alive(open));

    // Killed while it waits: the connection goes on, and a next command finishes the work.
    Process killed(
        bpfport_command({"--netns", net.server.name(), "detach", "eth0", "80:3000", "--drain"}));
    std::this_thread::sleep_for(700ms);
    EXPECT_TRUE(killed.running());
    killed.signal(SIGKILL);
    killed.wait();
    EXPECT_TRUE(alive(open));
    EXPECT_EQ(rules(net.server).size(), 2U);
    open.reset();
    std::this_thread::sleep_for(100ms);
    ASSERT_TRUE(works(net.server, "attach eth0 82:3000"));
    EXPECT_EQ(rules(net.server).size(), 2U); // 81 and 82

    // Without a limit it ends by itself after the last connection.
    auto last = connected(net.client, {kServer(false), 81});
    EXPECT_TRUE(alive(last));
    Process drain(bpfport_command({"--netns", net.server.name(), "detach", "eth0", "--drain"}));
    std::this_thread::sleep_for(700ms);
    EXPECT_TRUE(drain.running());
    EXPECT_TRUE(alive(last));
    last.reset();
    const auto done = drain.wait();
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_THAT(done.out, HasSubstr("82:3000 on eth0: draining\n"));
    EXPECT_THAT(done.out, HasSubstr("82:3000 on eth0: detached\n"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_P(Lifecycle, WhatWasServedOnTheListenPortIsNamedAndMayFinish) {
    const ClientServer net(GetParam().tx_checksum);
    const Service web(net.server, 3000, {.answer = "new"});
    std::optional<Service> old(std::in_place, net.server, 80);
    auto open = connected(net.client, {kServer(false), 80});
    auto local = connected(net.server, {"::1", 80});
    EXPECT_TRUE(alive(open));
    for (const char* rule : {"80:3000", "80:3000/udp", "70-90:3070-3090"})
        EXPECT_TRUE(refuses(
            net.server, std::string("attach eth0 ") + rule, 1,
            {"port 80 is taken", "net_tests (pid " + std::to_string(::getpid()), "--force"}));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/tcp+udp --force" + mode()));
    for (const Flavour& flavour : kFlavours)
        EXPECT_EQ(ask(net.client, {kServer(flavour.ipv6), 80}, flavour.transport), "new");
    EXPECT_TRUE(alive(open));
    EXPECT_TRUE(alive(local));
    if (!GetParam().steers()) {
        EXPECT_GT(outcome(net.server, "listen_socket"), 0U);
    }
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "hello");
    EXPECT_TRUE(alive(open));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_P(Lifecycle, DetachSaysWhatItCuts) {
    const ClientServer net(GetParam().tx_checksum);
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000" + mode()));
    auto open = connected(net.client, {kServer(false), 80});
    EXPECT_TRUE(alive(open));
    const auto done = tool(net.server, "detach eth0");
    EXPECT_EQ(done.status, 0);
    if (GetParam().steers()) {
        EXPECT_THAT(done.err, HasSubstr("1 open connection goes on"));
        EXPECT_TRUE(alive(open));
    } else {
        EXPECT_THAT(done.err, HasSubstr("1 open connection was cut"));
        EXPECT_FALSE(alive(open)); // reset at once, not left to time out
    }
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

} // namespace
} // namespace bpfport::test
