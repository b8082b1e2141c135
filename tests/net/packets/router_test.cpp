// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A host that forwards for others: their port 80 and their port 3000 are not ours, unless the rule
// says --forwarded. Replies that leave by another interface are.
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

class Router : public EveryMode {
  protected:
    // What is forwarded meets no socket of this host.
    static bool refuses_forwarded(const Netns& router) {
        if (!GetParam().steers()) return false;
        EXPECT_TRUE(refuses(router, attach("left 80:3000 --forwarded"), 1,
                            {"--forwarded", "--engine tc serves it"}));
        return true;
    }
};

INSTANTIATE_TEST_SUITE_P(, Router,
                         testing::Values(Mode{true, "tcx"}, Mode{false, "tcx"},
                                         Mode{false, "clsact"}, Mode{false, "auto", "xdp"},
                                         Mode{false, "auto", "sklookup"}),
                         mode_name);

TEST_P(Router, OtherMachinesArePassedUntouched) {
    const ClientRouterServer net(1500, GetParam().tx_checksum);
    const Service own(net.router, 3000, {.answer = "router"});
    const Service theirs(net.server, 80, {.answer = "their 80"});
    const Service direct(net.server, 3000, {.answer = "their 3000"});
    ASSERT_TRUE(works(net.router, attach("any 80:3000/tcp+udp")));
    for (int round = 0; round < 2; ++round) // the second time, whatever was remembered counts
        for (const Flavour& flavour : kFlavours) {
            SCOPED_TRACE(flavour.text());
            const Address server = ClientRouterServer::server_address(flavour.ipv6);
            const Address router = flavour.ipv6 ? "fd01::254" : "10.1.0.254";
            EXPECT_EQ(ask(net.client, {server, 80}, flavour.transport), "their 80");
            EXPECT_EQ(ask(net.client, {server, 3000}, flavour.transport), "their 3000");
            EXPECT_EQ(ask(net.router, {server, 80}, flavour.transport), "their 80");
            EXPECT_EQ(ask(net.router, {server, 3000}, flavour.transport), "their 3000");
            EXPECT_EQ(ask(net.client, {router, 80}, flavour.transport), "router");
            EXPECT_EQ(ask(net.client, {router, 3000}, flavour.transport), "router");
        }
    if (!GetParam().steers()) {
        EXPECT_GT(outcome(net.router, "not_local"), 0U);
    }
    ASSERT_TRUE(works(net.router, "detach any"));
    EXPECT_TRUE(expect_kernel_empty({net.router}));
}

TEST_P(Router, ForwardedFlowsAreRedirectedWhenAsked) {
    const ClientRouterServer net(1500, GetParam().tx_checksum);
    if (refuses_forwarded(net.router)) return;
    const Service far(net.server, 3000, {.answer = "far"});
    ASSERT_TRUE(works(net.router, attach("left 80:3000/tcp+udp --forwarded")));
    ASSERT_TRUE(works(net.router, attach("right 81:3001/tcp+udp --forwarded")));
    for (int round = 0; round < 2; ++round)
        for (const Flavour& flavour : kFlavours) {
            SCOPED_TRACE(flavour.text());
            const Address server = ClientRouterServer::server_address(flavour.ipv6);
            EXPECT_EQ(ask(net.client, {server, 80}, flavour.transport), "far");
            EXPECT_EQ(ask(net.client, {server, 3000}, flavour.transport), "far");
            EXPECT_EQ(ask(net.client, {server, 81}, flavour.transport), "refused");
        }
    // The same client port, one after the other: the older port counts.
    for (const bool ipv6 : {false, true}) {
        auto udp = UdpClient::open(net.client, ipv6, {.timeout = 200ms});
        for (const std::uint16_t port : {80, 3000, 80}) {
            ASSERT_TRUE(udp->send_to({ClientRouterServer::server_address(ipv6), port}, "x"));
            EXPECT_EQ(udp->receive().value_or(Datagram{}).from.port, port == 80 ? 80 : 0);
        }
        auto open = connected(net.client, {ClientRouterServer::server_address(ipv6), 80});
        ASSERT_TRUE(open.send("x"));
        EXPECT_EQ(open.receive(3).value_or(""), "far");
    }
    ASSERT_TRUE(works(net.router, "detach left right"));
    EXPECT_TRUE(expect_kernel_empty({net.router}));
}

// An error about a forwarded flow, of the far target itself and of a router in between.
TEST_P(Router, ForwardedErrorsFindTheClient) {
    const ClientRouterServer net(1500, GetParam().tx_checksum);
    if (refuses_forwarded(net.router)) return;
    ASSERT_TRUE(works(net.router, attach("left 53:5300/tcp+udp --forwarded")));
    for (const Flavour& flavour : kFlavours) {
        const Address server = ClientRouterServer::server_address(flavour.ipv6);
        EXPECT_EQ(ask(net.client, {server, 53}, flavour.transport), "refused") << flavour.text();
    }
    ASSERT_TRUE(works(net.router, "detach left"));
}

TEST_P(Router, ABridgedContainerIsLeftAlone) {
    REQUIRE_LINK_TYPE("bridge");
    const Netns host;
    const Netns client;
    const Netns container;
    const VethPair uplink(client, "eth0", host, "uplink");
    const VethPair port(container, "eth0", host, "port");
    const Interface bridge = add_bridge(host, "br0", {uplink.b, port.b});
    uplink.tx_checksum(GetParam().tx_checksum);
    port.tx_checksum(GetParam().tx_checksum);
    bridge.add_address("10.1.0.1/24").add_address("fd01::1/64");
    port.a.add_address("10.1.0.2/24").add_address("fd01::2/64");
    uplink.a.add_address("10.1.0.3/24").add_address("fd01::3/64");
    const Service own(host, 3000, {.answer = "host"});
    const Service theirs(container, 80, {.answer = "their 80"});
    const Service direct(container, 3000, {.answer = "their 3000"});
    ASSERT_TRUE(works(host, attach("any 80:3000/tcp+udp")));
    for (int round = 0; round < 2; ++round)
        for (const Flavour& flavour : kFlavours) {
            SCOPED_TRACE(flavour.text());
            const Address guest = flavour.ipv6 ? "fd01::2" : "10.1.0.2";
            const Address own_address = flavour.ipv6 ? "fd01::1" : "10.1.0.1";
            for (const Netns* from : {&client, &host}) {
                EXPECT_EQ(ask(*from, {guest, 80}, flavour.transport), "their 80");
                EXPECT_EQ(ask(*from, {guest, 3000}, flavour.transport), "their 3000");
            }
            for (const Netns* from : {&client, &container, &host}) {
                EXPECT_EQ(ask(*from, {own_address, 80}, flavour.transport), "host");
                EXPECT_EQ(ask(*from, {own_address, 3000}, flavour.transport), "host");
            }
        }
    ASSERT_TRUE(works(host, "detach any"));
    EXPECT_TRUE(expect_kernel_empty({host}));
}

TEST_P(Router, AMacvlanChildIsLeftAlone) {
    REQUIRE_LINK_TYPE("macvlan");
    const ClientServer net(GetParam().tx_checksum);
    const Netns child;
    add_macvlan(net.link.b, child, "eth0").add_address("10.1.0.9/24").add_address("fd01::9/64");
    const Service own(net.server, 3000, {.answer = "parent"});
    const Service theirs(child, 80, {.answer = "their 80"});
    const Service direct(child, 3000, {.answer = "their 3000"});
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000/tcp+udp")));
    std::uint16_t port = 7000;
    for (int round = 0; round < 2; ++round)
        for (const Flavour& flavour : kFlavours) {
            SCOPED_TRACE(flavour.text());
            const Address guest = flavour.ipv6 ? "fd01::9" : "10.1.0.9";
            const Address parent = ClientServer::server_address(flavour.ipv6);
            const SocketOptions source{
                .source = Endpoint{ClientServer::client_address(flavour.ipv6), ++port},
                .timeout = 3s};
            // One client port for all four, so that only addresses tell them apart.
            if (flavour.transport == Transport::kTcp) {
                EXPECT_EQ(ask(net.client, {parent, 80}, flavour.transport, source), "parent");
                EXPECT_EQ(ask(net.client, {guest, 80}, flavour.transport, source), "their 80");
                EXPECT_EQ(ask(net.client, {guest, 3000}, flavour.transport, source), "their 3000");
                continue;
            }
            EXPECT_EQ(ask(net.client, {parent, 80}, flavour.transport), "parent");
            EXPECT_EQ(ask(net.client, {guest, 80}, flavour.transport), "their 80");
            EXPECT_EQ(ask(net.client, {guest, 3000}, flavour.transport), "their 3000");
        }
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// The child has its parent's link-layer address, so no frame tells them apart, and where nothing is
// forwarded no route does either.
TEST_P(Router, AChildWithItsParentsLinkAddressIsLeftAlone) {
    REQUIRE_KERNEL(6, 2); // the program sees there what else receives behind the device
    for (const std::string kind :
         {"macvlan mode passthru", "ipvlan mode l2", "ipvlan mode l3", "ipvlan mode l3s"}) {
        const bool ipvlan = kind.starts_with("ipvlan");
        if (!have_link_type(ipvlan ? "ipvlan" : "macvlan")) continue;
        SCOPED_TRACE(kind);
        const ClientServer net(GetParam().tx_checksum);
        const Netns child;
        net.server.ip("link add link eth0 name child netns " + child.name() + " type " + kind);
        Interface(child, "child").up().add_address("10.1.0.9/24").add_address("fd01::9/64");
        if (kind.starts_with("ipvlan mode l3")) { // nobody answers ARP for the child
            net.client.ip("route add 10.1.0.9 via 10.1.0.2");
            net.client.ip("-6 route add fd01::9 via fd01::2");
        }
        const Service own(net.server, 3000, {.answer = "parent"});
        const Service theirs(child, 80, {.answer = "their 80"});
        const Service direct(child, 3000, {.answer = "their 3000"});
        ASSERT_TRUE(works(net.server, attach("eth0 80:3000/tcp+udp")));
        for (const Flavour& flavour : kFlavours) {
            SCOPED_TRACE(flavour.text());
            const Address guest = flavour.ipv6 ? "fd01::9" : "10.1.0.9";
            EXPECT_EQ(ask(net.client, {guest, 80}, flavour.transport), "their 80");
            EXPECT_EQ(ask(net.client, {guest, 3000}, flavour.transport), "their 3000");
            if (!ipvlan) continue; // passthru: the parent gets nothing
            const Address parent = ClientServer::server_address(flavour.ipv6);
            EXPECT_EQ(ask(net.client, {parent, 80}, flavour.transport), "parent");
        }
        ASSERT_TRUE(works(net.server, "detach eth0"));
    }
}

TEST_P(Router, RepliesMayLeaveByAnotherInterface) {
    const TwoUplinks net(true);
    net.first.tx_checksum(GetParam().tx_checksum);
    net.second.tx_checksum(GetParam().tx_checksum);
    ASSERT_TRUE(works(net.server, attach("eth0 eth1 80:3000/tcp+udp")));
    for (const bool ipv6 : {false, true}) {
        // By its address, else the kernel would answer from eth1's.
        const Endpoint at{TwoUplinks::first_address(ipv6), 3000};
        const TcpServer tcp(net.server, at);
        const UdpServer udp(net.server, at);
        for (const auto transport : {Transport::kTcp, Transport::kUdp})
            for (const std::uint16_t port : {80, 3000})
                EXPECT_EQ(ask(net.client, {at.address, port}, transport), "hello")
                    << Flavour{ipv6, transport}.text() << " " << port;
    }
    ASSERT_TRUE(works(net.server, "detach eth0 eth1"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

} // namespace
} // namespace bpfport::test
