// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Several rules for one listen port: the most specific one wins, by interface, then by local prefix,
// then by range; and ranges of listen ports that go to one target port.
#include <netinet/in.h>

#include <memory>

#include "net/fixture.hpp"
#include "net/rules/answers.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;

using Precedence = EveryEngine;
INSTANTIATE_TEST_SUITE_P(, Precedence, testing::Values("tc", "xdp", "sklookup", "auto"),
                         engine_param);

// 192.0.2.0/24 and 2001:db8::/32 are the server's as a whole (AnyIP). A datagram server on the wildcard
// answers from the address that was asked where the kernel knows but one way back.
void give_any_ip(const ClientServer& net) {
    net.server.ip("route add local 192.0.2.0/24 dev lo");
    net.server.ip("-6 route add local 2001:db8::/32 dev lo");
    net.client.ip("route add 192.0.2.0/24 via 10.1.0.2");
    net.client.ip("-6 route add 2001:db8::/32 via fd01::2");
}

TEST_P(Precedence, OfPrefixesOfOnePort) {
    const ClientServer net;
    give_any_ip(net);
    const Answers one(net.server, 3000, "one"), prefix(net.server, 3001, "prefix"),
        rest(net.server, 3002, "rest");
    ASSERT_TRUE(
        works(net.server, attach("eth0 80:3002/tcp+udp 192.0.2.0/24:80:3001/tcp+udp "
                                 "192.0.2.1:80:3000/tcp+udp [2001:db8::/32]:80:3001/tcp+udp "
                                 "[2001:db8::1]:80:3000/tcp+udp")));
    for (const Netns* from : {&net.client, &net.server})
        for (const Flavour& flavour : kFlavours) {
            SCOPED_TRACE(flavour.text() + (from == &net.client ? " remote" : " local"));
            const auto answer = [&](const char* v4, const char* v6) {
                return ask(*from, {flavour.ipv6 ? v6 : v4, 80}, flavour.transport);
            };
            EXPECT_EQ(answer("192.0.2.1", "2001:db8::1"), "one");
            EXPECT_EQ(answer("192.0.2.2", "2001:db8::2"), "prefix");
            EXPECT_EQ(answer("192.0.2.254", "2001:db8:ffff::1"), "prefix");
            EXPECT_EQ(ask(*from, {kServer(flavour.ipv6), 80}, flavour.transport), "rest");
        }
    // With a rule gone, the next shorter prefix is in force.
    ASSERT_TRUE(works(net.server, "detach eth0 192.0.2.1:80:3000 192.0.2.0/24:80:3001/udp"));
    EXPECT_EQ(ask(net.client, {"192.0.2.1", 80}, Transport::kTcp), "prefix");
    EXPECT_EQ(ask(net.client, {"192.0.2.2", 80}, Transport::kUdp), "rest");
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_P(Precedence, OfInterfacesAndRanges) {
    const TwoUplinks net;
    // A target for each rule: with one for two, a client port that is chosen twice is refused.
    const Answers any(net.server, 3000, "any"), eth0(net.server, 3001, "eth0"),
        range(net.server, 3002, "range"), narrow(net.server, 3003, "narrow");
    ASSERT_TRUE(works(net.server, attach("eth0 80:3001/tcp+udp")));
    ASSERT_TRUE(works(net.server, attach("any 80:3000/tcp+udp 8000-8010:=3002/tcp+udp "
                                         "8005:3003/tcp+udp")));
    for (const Flavour& flavour : kFlavours) {
        SCOPED_TRACE(flavour.text());
        const auto first = TwoUplinks::first_address(flavour.ipv6);
        const auto second = TwoUplinks::second_address(flavour.ipv6);
        EXPECT_EQ(ask(net.client, {first, 80}, flavour.transport), "eth0");
        EXPECT_EQ(ask(net.client, {second, 80}, flavour.transport), "any");
        // A local client of an interface's address takes that one's rules, of 127.0.0.1 those of any.
        EXPECT_EQ(ask(net.server, {first, 80}, flavour.transport), "eth0");
        EXPECT_EQ(ask(net.server, {second, 80}, flavour.transport), "any");
        EXPECT_EQ(ask(net.server, {flavour.ipv6 ? "::1" : "127.0.0.1", 80}, flavour.transport),
                  "any");
        EXPECT_EQ(ask(net.client, {second, 8004}, flavour.transport), "range");
        EXPECT_EQ(ask(net.client, {second, 8005}, flavour.transport), "narrow");
    }
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// Two listen ports from one client port at once: each has its own reply port.
TEST_P(Precedence, OneTargetOfManyListenPorts) {
    const ClientServer net;
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, attach("eth0 8000-8100:=3000/tcp+udp")));
    for (const Flavour& flavour : kFlavours) {
        SCOPED_TRACE(flavour.text());
        for (std::uint16_t port : {8000, 8042, 8100}) {
            // A client port for each listen port: of two flows with one, the older would win.
            const auto from_own_port = [&](const Netns& from, const Address& address) {
                const auto source = static_cast<std::uint16_t>(port + 10000);
                return ask(from, {kServer(flavour.ipv6), port}, flavour.transport,
                           {.source = Endpoint{address, source}});
            };
            EXPECT_EQ(from_own_port(net.client, ClientServer::client_address(flavour.ipv6)),
                      "hello");
            EXPECT_EQ(from_own_port(net.server, kServer(flavour.ipv6)), "hello");
        }
        for (std::uint16_t port : {7999, 8101})
            EXPECT_EQ(ask(net.client, {kServer(flavour.ipv6), port}, flavour.transport), "refused");
    }
    for (bool ipv6 : {false, true}) {
        auto first = connected(net.client, {kServer(ipv6), 8001});
        auto second = connected(net.client, {kServer(ipv6), 8002});
        EXPECT_TRUE(alive(first));
        EXPECT_TRUE(alive(second));
        EXPECT_EQ(first.peer().port, 8001);
        EXPECT_EQ(second.peer().port, 8002);
        EXPECT_EQ(web.tcp.seen().back().local.port, 3000) << "getsockname";
    }
    EXPECT_EQ(status(net.server).at("rules").at(0).at("one_target"), true);
    ASSERT_TRUE(works(net.server, attach("--replace eth0 8000-8100:=4000/tcp")));
    EXPECT_TRUE(refuses(net.server, attach("--replace eth0 8000-8100:4000-4100/tcp"), 1,
                        {"can't replace", "8000-8100:=4000"}));
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// Under sklookup connections are on the port asked for, and getsockname() tells it when asked to.
TEST_F(NetTest, SocknameOfManyListenPorts) {
    REQUIRE_ENGINE("sklookup");
    const ClientServer net;
    const TcpServer web(net.server, {"::", 3000});
    ASSERT_TRUE(
        works(net.server, "attach --engine sklookup --sockname listen eth0 8000-8100:=3000"));
    for (bool ipv6 : {false, true})
        for (std::uint16_t port : {8000, 8042, 8100}) {
            EXPECT_EQ(ask(net.client, {kServer(ipv6), port}, Transport::kTcp), "hello");
            EXPECT_EQ(web.seen().back().local.port, port);
        }
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

} // namespace
} // namespace bpfport::test
