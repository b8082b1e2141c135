// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What a scope covers, and what attach says of it: clients behind the host's own bridge, a bridge's
// port, an address that the host doesn't have, IPsec.
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;

// container eth0 172.17.0.2, fd17::2  --  docker0 of a server with an uplink
struct Docker {
    ClientServer net;
    Netns container;
    VethPair link{container, "eth0", net.server, "veth1"};
    Interface bridge = add_bridge(net.server, "docker0", {link.b});

    Docker() {
        bridge.add_address("172.17.0.1/16").add_address("fd17::1/64");
        link.a.add_address("172.17.0.2/16").add_address("fd17::2/64");
        container.ip("route add default via 172.17.0.1");
        container.ip("-6 route add default via fd17::1");
    }
};

class Place : public EveryEngine {};
INSTANTIATE_TEST_SUITE_P(, Place, testing::Values("auto", "tc", "sklookup"), engine_param);

// A rule on eth0 holds for what comes in by eth0, and for clients on the host itself.
TEST_P(Place, ClientsBehindTheHostsOwnBridgeAreServedByAny) {
    const Docker host;
    const Service web(host.net.server, 3000);
    const std::string says = "clients behind docker0 that ask an address of eth0 are not served";
    const auto done = tool(host.net.server, attach("eth0 80:3000/tcp+udp"));
    ASSERT_EQ(done.status, 0) << done.err;
    EXPECT_THAT(done.out, HasSubstr(says));
    for (const Flavour& flavour : kFlavours) {
        SCOPED_TRACE(flavour.text());
        EXPECT_EQ(ask(host.container, {kServer(flavour.ipv6), 80}, flavour.transport), "refused");
        EXPECT_EQ(ask(host.net.client, {kServer(flavour.ipv6), 80}, flavour.transport), "hello");
    }
    EXPECT_THAT(tool(host.net.server, "doctor").out, HasSubstr(says));
    const auto any = tool(host.net.server, attach("any 80:3000/tcp+udp"));
    ASSERT_EQ(any.status, 0) << any.err;
    EXPECT_THAT(any.out, testing::Not(HasSubstr("not served")));
    EXPECT_THAT(tool(host.net.server, "doctor").out, testing::Not(HasSubstr(says)));
    for (const Flavour& flavour : kFlavours) {
        SCOPED_TRACE(flavour.text());
        EXPECT_EQ(ask(host.container, {kServer(flavour.ipv6), 80}, flavour.transport), "hello");
    }
    ASSERT_TRUE(works(host.net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({host.net.server}));
}

TEST_F(NetTest, WordsOfAttach) {
    const Docker host;
    const Netns& server = host.net.server;
    const Service web(server, 3000);
    const auto port = tool(server, "attach veth1 80:3000");
    EXPECT_THAT(port.err, HasSubstr("veth1 is a port of docker0, which has the addresses: clients "
                                    "on this host are not served"));
    EXPECT_THAT(port.err, HasSubstr("attach to docker0"));
    ASSERT_TRUE(works(server, "detach --all"));
    const auto absent = tool(server, "attach eth0 192.0.2.99:80:3000");
    EXPECT_EQ(absent.status, 0);
    EXPECT_THAT(absent.err, HasSubstr("no interface of this host has 192.0.2.99"));
    ASSERT_TRUE(works(server, "detach --all"));
    const auto there = tool(server, "attach eth0 10.1.0.2:80:3000");
    EXPECT_THAT(there.err, testing::Not(HasSubstr("no interface of this host")));
    ASSERT_TRUE(works(server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({server}));
}

// What is said of IPsec, as far as "before".
std::string ipsec_in(const std::string& text) {
    const auto begin = text.find("IPsec");
    return begin == text.npos ? "" : text.substr(begin, text.find(" before", begin) - begin);
}

// Programs see replies encrypted; sockets don't care.
TEST_F(NetTest, IpsecOnTheWayIsSaid) {
    const ClientServer net;
    const Service web(net.server, 3000);
    const auto add = [&](const std::string& policy) {
        return run({"sh", "-c", "ip xfrm policy add " + policy}, {.netns = &net.server});
    };
    const auto added = add("src 10.1.0.2 dst 10.1.0.1 proto tcp sport 80 dir out "
                           "tmpl proto esp mode transport");
    if (added.status != 0) GTEST_SKIP() << "the kernel has no xfrm: " << added.err;
    add("src fd01::/64 dst fd02::/64 dir out tmpl src fd01::2 dst fd01::9 proto esp mode tunnel");
    const std::string v4 = "IPsec encrypts replies to 10.1.0.1 (transport mode)";
    const std::string v6 = "IPsec encrypts replies to fd02::/64 (tunnel mode)";
    const std::string both = v4 + ", fd02::/64 (tunnel mode)";
    struct Case {
        const char* words;
        std::string says; // empty: nothing
    };
    const Case kCases[] = {{"80:3000 --engine tc", both},
                           {"80:3000 --engine xdp", both},
                           {"80:3000/udp", v6}, // the other policy is for tcp
                           {"81:3001 --engine tc", v6},
                           {"10.1.0.2:80:3000 --engine tc", v4},
                           {"10.1.0.2:81:3000 --engine tc", ""},
                           {"80:3000 --engine sklookup", ""}};
    for (const auto& [words, says] : kCases) {
        SCOPED_TRACE(words);
        if (!kernel_at_least(5, 17) && std::string_view(words).ends_with("sklookup")) continue;
        const auto done = tool(net.server, std::string("attach --explain eth0 ") + words);
        EXPECT_EQ(done.status, 0) << done.err;
        EXPECT_EQ(ipsec_in(done.err), says);
    }
    EXPECT_EQ(ipsec_in(tool(net.server, "attach eth0 80:3000/udp").err), v6);
    EXPECT_EQ(ipsec_in(tool(net.server, "doctor").out), v6);
    ASSERT_TRUE(works(net.server, "detach --all"));
    // Not those that let packets pass as they are, or that hold for what comes in.
    run({"ip", "xfrm", "policy", "flush"}, {.netns = &net.server});
    ASSERT_EQ(add("src 10.1.0.2 dst 10.1.0.1 dir out").status, 0);
    ASSERT_EQ(add("src 10.1.0.1 dst 10.1.0.2 dir in tmpl proto esp mode transport").status, 0);
    EXPECT_EQ(ipsec_in(tool(net.server, "attach --explain eth0 80:3000/udp").err), "");
}

} // namespace
} // namespace bpfport::test
