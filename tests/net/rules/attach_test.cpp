// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// attach, detach and status as commands: scopes, rules, what is refused and what is said.
#include <unistd.h>

#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr auto kServer = ClientServer::server_address;

TEST_F(NetTest, ScopesAndRulesInOneCall) {
    const TwoUplinks net;
    const Service web(net.server, 3000);
    const TcpServer range(net.server, {"::", 18004}, {.answer = "range"});
    ASSERT_TRUE(works(net.server, "attach eth0 eth1 80:3000/tcp+udp 8000-8009:18000-18009"));
    EXPECT_EQ(rules(net.server).size(), 6U);
    for (const auto address : {TwoUplinks::first_address, TwoUplinks::second_address})
        for (const Flavour& flavour : kFlavours) {
            EXPECT_EQ(ask(net.client, {address(flavour.ipv6), 80}, flavour.transport), "hello");
            if (flavour.transport == Transport::kUdp) continue;
            EXPECT_EQ(ask(net.client, {address(flavour.ipv6), 8004}, Transport::kTcp), "range");
            EXPECT_EQ(ask(net.client, {address(flavour.ipv6), 8005}, Transport::kTcp), "refused");
        }
    // One rule of one interface goes; the others stay.
    ASSERT_TRUE(works(net.server, "detach eth1 80:3000"));
    EXPECT_EQ(ask(net.client, {TwoUplinks::second_address(false), 80}, Transport::kTcp), "refused");
    EXPECT_EQ(ask(net.client, {TwoUplinks::second_address(false), 80}, Transport::kUdp), "hello");
    EXPECT_EQ(ask(net.client, {TwoUplinks::first_address(false), 80}, Transport::kTcp), "hello");
    ASSERT_TRUE(works(net.server, "detach eth1"));
    EXPECT_THAT(rules(net.server), UnorderedElementsAre("80:3000 on eth0", "80:3000/udp on eth0",
                                                        "8000-8009:18000-18009 on eth0"));
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_F(NetTest, AnyCoversEveryInterface) {
    const TwoUplinks net;
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach any 80:3000/tcp+udp"));
    for (const Flavour& flavour : kFlavours) {
        EXPECT_EQ(ask(net.client, {TwoUplinks::first_address(flavour.ipv6), 80}, flavour.transport),
                  "hello");
        EXPECT_EQ(
            ask(net.client, {TwoUplinks::second_address(flavour.ipv6), 80}, flavour.transport),
            "hello");
        EXPECT_EQ(ask(net.server, {flavour.ipv6 ? "::1" : "127.0.0.1", 80}, flavour.transport),
                  "hello");
    }
    // An interface that comes later is told of, and covered by the same command.
    const Netns late;
    const VethPair pair(late, "eth0", net.server, "eth9");
    EXPECT_THAT(status(net.server).at("unhooked"), ElementsAre("eth9"));
    ASSERT_TRUE(works(net.server, "attach any 80:3000/tcp+udp"));
    EXPECT_THAT(status(net.server).at("unhooked"), IsEmpty());
    ASSERT_TRUE(works(net.server, "detach any"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_F(NetTest, RulesForOneAddress) {
    const ClientServer net;
    net.link.b.add_address("10.1.0.3/24").add_address("fd01::3/64");
    const Service web(net.server, 3000);
    const Service other(net.server, 4000, {.answer = "other"});
    // On the wildcard address, its answers would come from the interface's first address.
    const UdpServer second(net.server, {"10.1.0.3", 3000});
    ASSERT_TRUE(works(net.server, "attach eth0 10.1.0.3:80:3000/tcp+udp [fd01::3]:80:3000/tcp+udp "
                                  "10.1.0.2:80:4000/tcp+udp"));
    for (const Netns* from : {&net.client, &net.server})
        for (const Flavour& flavour : kFlavours) {
            SCOPED_TRACE(flavour.text());
            EXPECT_EQ(ask(*from, {flavour.ipv6 ? "fd01::3" : "10.1.0.3", 80}, flavour.transport),
                      "hello");
            EXPECT_EQ(ask(*from, {kServer(flavour.ipv6), 80}, flavour.transport),
                      flavour.ipv6 ? "refused" : "other");
        }
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

TEST_F(NetTest, NoLocalLeavesLocalClientsAlone) {
    const ClientServer net;
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/tcp+udp --no-local"));
    for (const Flavour& flavour : kFlavours) {
        SCOPED_TRACE(flavour.text());
        EXPECT_EQ(ask(net.client, {kServer(flavour.ipv6), 80}, flavour.transport), "hello");
        EXPECT_EQ(ask(net.server, {kServer(flavour.ipv6), 80}, flavour.transport), "refused");
        EXPECT_EQ(ask(net.server, {flavour.ipv6 ? "::1" : "127.0.0.1", 80}, flavour.transport),
                  "refused");
    }
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// On lo, a packet takes the rule of the interface that owns its destination address.
TEST_F(NetTest, LocalClientsTakeTheRuleOfTheAddressesInterface) {
    const TwoUplinks net;
    const Service first(net.server, 3000, {.answer = "first"});
    const Service second(net.server, 4000, {.answer = "second"});
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000"));
    EXPECT_TRUE(refuses(net.server, "attach eth1 80:4000", 1,
                        {"80:3000 on eth0", "80:4000 on eth1", "--no-local"}));
    ASSERT_TRUE(works(net.server, "detach eth0"));
    ASSERT_TRUE(works(net.server, "attach eth0 10.1.0.2:80:3000 [fd01::2]:80:3000"));
    ASSERT_TRUE(works(net.server, "attach eth1 10.2.0.2:80:4000 [fd02::2]:80:4000"));
    for (const bool ipv6 : {false, true}) {
        EXPECT_EQ(ask(net.server, {TwoUplinks::first_address(ipv6), 80}, Transport::kTcp), "first");
        EXPECT_EQ(ask(net.server, {TwoUplinks::second_address(ipv6), 80}, Transport::kTcp),
                  "second");
        EXPECT_EQ(ask(net.server, {ipv6 ? "::1" : "127.0.0.1", 80}, Transport::kTcp), "refused");
    }
    ASSERT_TRUE(works(net.server, "detach eth0 eth1"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_F(NetTest, TheNamespaceIsNamedAnywhereOnTheLine) {
    const ClientServer net;
    const Process sleeper({"sleep", "100"}, {.netns = &net.server});
    const std::string name = net.server.name();
    const std::vector<std::vector<std::string>> lines = {
        {"--netns", name, "attach", "eth0", "80:3000"},
        {"attach", "--netns", "/run/netns/" + name, "eth0", "81:3000"},
        {"attach", "eth0", "82:3000", "--netns=" + std::to_string(sleeper.pid())},
        {"attach", "eth0", "--netns", name, "83:3000"},
    };
    while (!std::string_view(
                run({"readlink", "/proc/" + std::to_string(sleeper.pid()) + "/ns/net"}).out)
                .contains(std::to_string(net.server.inode())))
        ::usleep(1000); // it is still on its way there
    for (const auto& line : lines) {
        const auto done = bpfport(line);
        EXPECT_EQ(done.status, 0) << done.err;
    }
    EXPECT_EQ(rules(net.server).size(), 4U);
    EXPECT_THAT(rules(net.client), IsEmpty());
    const auto unknown = bpfport({"--netns", "bpt-nosuch", "status"});
    EXPECT_EQ(unknown.status, 1);
    EXPECT_THAT(unknown.err, HasSubstr("bpt-nosuch"));
    ASSERT_EQ(bpfport({"detach", "--all"}).status, 0);
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_F(NetTest, AttachTwiceIsSuccessAndConflictsAreRefused) {
    const ClientServer net;
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000"));
    auto open = connected(net.client, {kServer(false), 80});
    EXPECT_TRUE(alive(open));
    const auto before = status(net.server);
    const auto again = tool(net.server, "attach eth0 80:3000");
    EXPECT_EQ(again.status, 0) << again.err;
    EXPECT_THAT(again.out, HasSubstr("attached already"));

    EXPECT_TRUE(refuses(net.server, "attach eth0 80:4000", 1,
                        {"80:3000 on eth0", "80:4000 on eth0", "--replace"}));
    ASSERT_TRUE(works(net.server, "attach eth0 70-78:4070-4078"));
    EXPECT_TRUE(
        refuses(net.server, "attach eth0 75-90:=4000", 1,
                {"70-78:4070-4078 on eth0", "75-90:=4000 on eth0", "75-78/tcp already go"}));
    ASSERT_TRUE(works(net.server, "detach eth0 70-78:4070-4078"));
    EXPECT_TRUE(refuses(net.server, "attach eth0 3000:4000", 1, {"80:3000", "3000:4000"}));
    EXPECT_TRUE(refuses(net.server, "attach eth0 90:5000 90:5001", 1, {"90:5000", "90:5001"}));
    EXPECT_TRUE(refuses(net.server, "attach eth1 81:3000", 1, {"eth1", "eth0"}));
    EXPECT_TRUE(refuses(net.server, "attach eth0 0:3000", 2, {"0"}));
    EXPECT_TRUE(refuses(net.server, "attach eth0 80:80", 2, {"80"}));
    EXPECT_TRUE(refuses(net.server, "attach eth0", 2, {"no rule"}));
    EXPECT_TRUE(refuses(net.server, "attach 80:3000", 2, {"no scope"}));
    EXPECT_TRUE(refuses(net.server, "detach eth0 81:3000", 1, {"81:3000", "80:3000 on eth0"}));
    const auto explained = tool(net.server, "attach eth0 81:3000 --explain");
    EXPECT_THAT(explained.out, HasSubstr("nothing was changed"));
    EXPECT_THAT(explained.out, HasSubstr("81:3000 on eth0: would be attached"));
    EXPECT_THAT(explained.out, testing::Not(HasSubstr(": attached")));
    EXPECT_EQ(tool(net.server, "attach eth0 81:3000 --dry-run").out, explained.out);
    EXPECT_TRUE(refuses(net.server, "attach ETH0 81:3000", 1, {"did you mean eth0?"}));
    EXPECT_EQ(status(net.server), before); // nothing of all that left a trace
    EXPECT_TRUE(alive(open));
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
    ASSERT_TRUE(works(net.server, "detach --all")); // nothing to do
}

TEST_F(NetTest, DetachAllIsOfOneNamespaceOrOfAll) {
    const ClientServer net;
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000"));
    ASSERT_TRUE(works(net.client, "attach eth0 80:3000 --hook clsact"));
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_THAT(rules(net.server), IsEmpty());
    EXPECT_EQ(rules(net.client).size(), 1U);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000"));
    ASSERT_EQ(bpfport({"detach", "--all"}).status, 0);
    EXPECT_TRUE(expect_kernel_empty({net.server, net.client}));
}

TEST_F(NetTest, StatusAsksTheKernel) {
    const ClientServer net;
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 53:5300/udp"));
    const auto table = tool(net.server, "status");
    EXPECT_THAT(table.out, HasSubstr("no listener"));
    EXPECT_THAT(status(net.server).at("rules").at(0).at("listeners"), IsEmpty());
    const TcpServer web(net.server, {"::", 3000});
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "hello");
    auto open = connected(net.client, {kServer(true), 80});
    EXPECT_TRUE(alive(open));

    const auto now = status(net.server);
    EXPECT_EQ(now.at("netns"), net.server.inode());
    const auto& rule = now.at("rules").at(0);
    EXPECT_EQ(rule.at("rule"), "80:3000");
    EXPECT_EQ(rule.at("scope"), "eth0");
    EXPECT_EQ(rule.at("engine"), "tc");
    EXPECT_EQ(rule.at("in_force"), true);
    EXPECT_EQ(rule.at("connections"), 4);
    EXPECT_EQ(rule.at("open_connections"), 1);
    EXPECT_GE(rule.at("packets_in"), 4 * 4);
    EXPECT_GE(rule.at("packets_out"), 4 * 3);
    EXPECT_EQ(rule.at("listeners").size(), 1U);
    EXPECT_THAT(rule.at("listeners").at(0).at("process").get<std::string>(),
                HasSubstr(std::to_string(::getpid())));
    ASSERT_EQ(now.at("hooks").size(), 2U); // lo and eth0
    for (const auto& hook : now.at("hooks")) {
        EXPECT_EQ(hook.at("alive"), true);
        EXPECT_FALSE(hook.at("tag_in").get<std::string>().empty());
        EXPECT_EQ(hook.at("hook"), kernel_at_least(6, 6) ? "tcx" : "clsact");
    }
    const auto shown = tool(net.server, "status");
    EXPECT_THAT(shown.out, HasSubstr("4 (1 open)"));
    EXPECT_THAT(shown.out, HasSubstr(std::to_string(::getpid())));
    EXPECT_THAT(tool(net.client, "status").out, HasSubstr("nothing is attached"));
    ASSERT_TRUE(works(net.server, "detach --all"));
}

} // namespace
} // namespace bpfport::test
