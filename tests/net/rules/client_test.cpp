// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Rules for some clients only: who is served, by which rule, and that flows which are there go on when a
// rule's clients change.
#include "net/fixture.hpp"
#include "net/rules/answers.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;

using Clients = EveryEngine;
INSTANTIATE_TEST_SUITE_P(, Clients, testing::Values("tc", "xdp", "sklookup", "auto"), engine_param);

// The client has two addresses of each family: .1 and .3.
struct TwoAddresses : ClientServer {
    TwoAddresses() { link.a.add_address("10.1.0.3/24").add_address("fd01::3/64"); }

    static Address address(bool ipv6, bool second) {
        if (!second) return client_address(ipv6);
        return ipv6 ? "fd01::3" : "10.1.0.3";
    }
    [[nodiscard]] std::string ask(const Flavour& flavour, bool second) const {
        return test::ask(client, {kServer(flavour.ipv6), 80}, flavour.transport,
                         {.source = Endpoint{address(flavour.ipv6, second), 0}});
    }
};

TEST_P(Clients, OthersAreLeftAlone) {
    const TwoAddresses net;
    const Answers web(net.server, 3000, "web");
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000/tcp+udp --from 10.1.0.1,fd01::/127")));
    for (const Flavour& flavour : kFlavours) {
        SCOPED_TRACE(flavour.text());
        EXPECT_EQ(net.ask(flavour, false), "web");
        EXPECT_EQ(net.ask(flavour, true), "refused");
        EXPECT_EQ(ask(net.server, {kServer(flavour.ipv6), 80}, flavour.transport), "refused")
            << "a client on this host";
    }
    EXPECT_GE(outcome(net.server, "other_client"), 4U);
    EXPECT_EQ(status(net.server).at("rules").at(0).at("rule"), "80:3000@10.1.0.1,fd01::/127");
    EXPECT_EQ(status(net.server).at("rules").at(0).at("from").at(1), "fd01::/127");
    ASSERT_TRUE(works(net.server, "detach eth0 80:3000/tcp+udp --from 10.1.0.1,fd01::/127"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_P(Clients, AreServedByTheNextRule) {
    const TwoAddresses net;
    const Answers staff(net.server, 3000, "staff"), rest(net.server, 3001, "rest"),
        none(net.server, 3002, "any");
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000/tcp+udp@10.1.0.0/30,fd01::/126,-10.1.0.3,"
                                         "-fd01::3 80:3001/tcp+udp@10.1.0.3,fd01::3")));
    ASSERT_TRUE(works(net.server, attach("any 80:3002/tcp+udp")));
    const auto expect_answers = [&](const char* first, const char* second) {
        for (const Flavour& flavour : kFlavours) {
            SCOPED_TRACE(flavour.text());
            EXPECT_EQ(net.ask(flavour, false), first);
            EXPECT_EQ(net.ask(flavour, true), second);
            EXPECT_EQ(ask(net.server, {flavour.ipv6 ? "::1" : "127.0.0.1", 80}, flavour.transport),
                      "any");
        }
    };
    expect_answers("staff", "rest");
    // What this one no longer covers goes to the rule of `any`.
    ASSERT_TRUE(works(net.server, "detach eth0 80:3001@10.1.0.3,fd01::3 "
                                  "80:3001/udp@10.1.0.3,fd01::3"));
    expect_answers("staff", "any");
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// A list that leaves a client out ends nothing that it has begun.
TEST_P(Clients, FlowsGoOnWhenTheyAreLeftOut) {
    const TwoAddresses net;
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000/tcp+udp")));
    for (const bool ipv6 : {false, true}) {
        SCOPED_TRACE(ipv6 ? "v6" : "v4");
        const SocketOptions second{.source = Endpoint{TwoAddresses::address(ipv6, true), 40000}};
        auto connection = connected(net.client, {kServer(ipv6), 80}, second);
        auto flow = UdpClient::connect(net.client, {kServer(ipv6), 80}, second);
        ASSERT_TRUE(alive(connection));
        ASSERT_TRUE(flow->echo("hello"));
        ASSERT_TRUE(works(net.server, attach("eth0 80:3000/tcp+udp --not-from 10.1.0.3,fd01::3")));
        ASSERT_TRUE(works(net.server, "detach eth0 80:3000/tcp+udp"));
        EXPECT_TRUE(alive(connection));
        EXPECT_TRUE(alive(connection, 20000));
        EXPECT_TRUE(flow->echo("hello"));
        for (const Transport transport : {Transport::kTcp, Transport::kUdp})
            EXPECT_EQ(net.ask({ipv6, transport}, true), "refused");
        EXPECT_EQ(net.ask({ipv6, Transport::kTcp}, false), "hello");
        // The tuple is known, and its SYN is a new connection's all the same.
        connection.reset();
        EXPECT_EQ(ask(net.client, {kServer(ipv6), 80}, Transport::kTcp, second), "refused");
        ASSERT_TRUE(works(net.server, attach("eth0 80:3000/tcp+udp")));
        ASSERT_TRUE(works(net.server, "detach eth0 80:3000/tcp+udp@-10.1.0.3,-fd01::3"));
    }
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_F(NetTest, ClientsThatCantBe) {
    const ClientServer net;
    const auto says = [&](const std::string& words, int status,
                          const std::vector<std::string>& texts) {
        EXPECT_TRUE(refuses(net.server, "attach " + words, status, texts)) << words;
    };
    says("eth0 80:3000 --from 10.1.0.1/24", 2, {"bits set behind its length", "10.1.0.0/24"});
    says("eth0 80:3000 --from [fd01::1]", 2, {"without brackets"});
    says("eth0 80:3000 --from 10.0.0.0/8, ", 2, {"a prefix is empty"});
    says("eth0 80:3000 --from 10.0.0.0/8 --not-from 11.0.0.0/8", 2, {"takes nothing out"});
    says("eth0 80:3000@10.0.0.0/8 --not-from 10.0.0.0/8", 2, {"given twice"});
    says("eth0 80:3000@10.0.0.0/8,-10.0.0.0/8", 2, {"is taken out by"});
    says("eth0 80:3000@10.0.0.0/8 80:4000@10.0.0.0/8,192.0.2.0/24", 1, {"already goes to 3000"});
    says("eth0 80:3000 80:4000@-10.0.0.0/8 80:5000@-192.0.2.0/24", 1, {"already goes to 4000"});
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000@10.0.0.0/8 80:4000@10.1.0.0/16 80:5000"));
    ASSERT_TRUE(works(net.server, "detach --all"));
}

} // namespace
} // namespace bpfport::test
