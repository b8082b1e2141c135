// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The harness: links, sockets, servers and captures. The model must find real frames valid.
#include <gtest/gtest.h>

#include "harness/capture.hpp"
#include "harness/servers.hpp"
#include "harness/topology.hpp"
#include "unit/harness_fixture.hpp"

namespace bpfport::test {
namespace {

using namespace std::chrono_literals;

struct Family {
    bool ipv6;
    bool tx_checksum;
};
class Traffic : public Harness, public testing::WithParamInterface<Family> {};

TEST_P(Traffic, RealFramesAreFoundValid) {
    const auto [ipv6, tx_checksum] = GetParam();
    const ClientServer net(tx_checksum);
    const Endpoint server{ClientServer::server_address(ipv6), 3000};
    const Endpoint any{ipv6 ? "::" : "0.0.0.0", 3000};
    const TcpServer tcp(net.server, any);
    const UdpServer udp(net.server, any);
    ASSERT_TRUE(wait_for_port(net.server, 3000));
    ASSERT_TRUE(wait_for_port(net.server, 3000, true));
    Capture capture(net.link.b);

    auto client = TcpClient::connect(net.client, server,
                                     {.source = Endpoint{ClientServer::client_address(ipv6), 555}});
    ASSERT_TRUE(client) << client.error().message;
    EXPECT_EQ(client->echo("hello").value_or(""), "hello");
    auto datagrams = UdpClient::connect(net.client, server);
    EXPECT_EQ(datagrams->echo("odd").value_or(Datagram{}).data, "odd");
    const std::string large(8000, 'x');
    EXPECT_EQ(datagrams->echo(large).value_or(Datagram{}).data, large);
    client->reset();
    EXPECT_EQ(tcp.seen().front(), (Seen{server, {ClientServer::client_address(ipv6), 555}}));
    EXPECT_EQ(udp.seen().size(), 2U);

    // A port nobody has: an ICMP error that quotes the datagram.
    auto refused = UdpClient::connect(net.client, {server.address, 3999});
    ASSERT_TRUE(refused->send("?"));
    EXPECT_EQ(refused->receive().error().code, ECONNREFUSED);

    std::size_t fragments = 0;
    std::size_t quotes = 0;
    std::size_t unfinished = 0;
    const auto frames = capture.all([](const Captured& c) { return c.view.packet.has_value(); });
    for (const Captured& captured : frames) {
        fragments += captured.view.packet->fragment ? 1 : 0;
        quotes += captured.view.quoted ? 1 : 0;
        unfinished += captured.checksum_ready ? 0 : 1;
        // The error quotes what it was handed, an unfinished checksum too.
        if (captured.checksum_ready && (tx_checksum ? !captured.view.quoted : true)) {
            EXPECT_TRUE(captured.view.checksums_good()) << describe(captured.frame) << "\n"
                                                        << hexdump(captured.frame);
        }
        EXPECT_EQ(captured.view.problem, "");
    }
    EXPECT_GE(frames.size(), 12U);
    EXPECT_EQ(fragments, 12U); // 8008 bytes in six fragments, there and back
    EXPECT_EQ(quotes, 1U);
    EXPECT_EQ(unfinished == 0, !tx_checksum);
}

INSTANTIATE_TEST_SUITE_P(, Traffic,
                         testing::Values(Family{false, false}, Family{false, true},
                                         Family{true, false}, Family{true, true}),
                         [](const auto& test) {
                             return std::string(test.param.ipv6 ? "v6" : "v4") +
                                    (test.param.tx_checksum ? "TxOn" : "TxOff");
                         });

TEST_F(Harness, MptcpAndReuseport) {
    if (!open_socket(Netns(), AF_INET, SOCK_STREAM, {.mptcp = true}))
        GTEST_SKIP() << "the kernel has no MPTCP";
    const ClientServer net;
    const TcpServer first(net.server, {"::", 3000}, {.reuse_port = true, .mptcp = true});
    const TcpServer second(net.server, {"::", 3000}, {.reuse_port = true, .mptcp = true});
    for (int i = 0; i < 20; ++i) {
        auto client =
            TcpClient::connect(net.client, {ClientServer::server_address(i % 2 == 0), 3000});
        ASSERT_TRUE(client) << client.error().message;
        EXPECT_EQ(client->echo("x").value_or(""), "x");
    }
    EXPECT_EQ(first.seen().size() + second.seen().size(), 20U);
}

TEST_F(Harness, RefusedAndSilentPeersHaveTheirErrors) {
    const ClientServer net;
    const Endpoint server{ClientServer::server_address(false), 80};
    EXPECT_EQ(TcpClient::connect(net.client, server).error().code, ECONNREFUSED);
    net.server.ip("address del 10.1.0.2/24 dev eth0");
    net.client.ip("neighbour replace 10.1.0.2 lladdr 02:00:00:00:00:09 dev eth0");
    EXPECT_EQ(TcpClient::connect(net.client, server, {.timeout = 200ms}).error().code, ETIMEDOUT);
}

TEST_F(Harness, RouterLearnsPathMtu) {
    for (const bool ipv6 : {false, true}) {
        const ClientRouterServer net(1280, false);
        const Endpoint server{ClientRouterServer::server_address(ipv6), 3000};
        const TcpServer tcp(net.server, {ipv6 ? "::" : "0.0.0.0", 3000}, {.reply_bytes = 300000});
        Capture capture(net.server_link.a);
        // The client's own MSS would tell the server; a larger one makes the router speak.
        net.client.ip("link set eth0 mtu 1500");
        auto client = TcpClient::connect(net.client, server);
        ASSERT_TRUE(client) << client.error().message;
        ASSERT_TRUE(client->send("go"));
        EXPECT_EQ(client->receive(300000).value_or("").size(), 300000U);
        const auto error =
            capture.next([](const Captured& c) { return c.view.quoted.has_value(); });
        ASSERT_TRUE(error);
        EXPECT_EQ(error->view.quoted->sport, 3000);
        EXPECT_EQ(error->view.packet->l4_checksum, Verdict::kGood) << describe(error->frame);
    }
}

TEST_F(Harness, TwoUplinksAnswerAsymmetrically) {
    const TwoUplinks net(true);
    const TcpServer tcp(net.server, {"::", 3000});
    Capture second(net.second.a);
    for (const bool ipv6 : {false, true}) {
        auto client = TcpClient::connect(net.client, {TwoUplinks::first_address(ipv6), 3000});
        ASSERT_TRUE(client) << client.error().message;
        EXPECT_EQ(client->echo("x").value_or(""), "x");
    }
    const auto replies = second.all(with_port(3000));
    EXPECT_FALSE(replies.empty());
    for (const Captured& reply : replies)
        EXPECT_EQ(reply.view.packet->sport, 3000) << describe(reply.frame);
}

TEST_F(Harness, TagsAreSeenInTheFrame) {
    const ClientServer net;
    Capture server(net.link.b);
    const Bytes frame = (Ethernet{.dst = net.link.b.mac(), .src = net.link.a.mac()} /
                         Vlan{.id = 7, .tpid = 0x88a8} / Vlan{.id = 5} / Ipv4{} / Tcp{})
                            .build();
    Capture(net.link.a).send(frame);
    const auto captured = server.next(with_port(80));
    ASSERT_TRUE(captured);
    EXPECT_EQ(captured->frame, frame) << hexdump(captured->frame, frame);
}

TEST_F(Harness, VlanDeviceCarriesTraffic) {
    REQUIRE_LINK_TYPE("vlan");
    const ClientServer net;
    add_vlan(net.link.a, 5).add_address("10.5.0.1/24");
    add_vlan(net.link.b, 5).add_address("10.5.0.2/24");
    const TcpServer tagged(net.server, {"10.5.0.2", 3000});
    EXPECT_TRUE(TcpClient::connect(net.client, {"10.5.0.2", 3000}));
}

TEST_F(Harness, MacvlanAndBridgeCarryTraffic) {
    REQUIRE_LINK_TYPE("macvlan");
    REQUIRE_LINK_TYPE("bridge");
    const ClientServer net;
    const Netns child;
    add_macvlan(net.link.b, child, "mv0").add_address("10.1.0.3/24");
    const TcpServer macvlan(child, {"10.1.0.3", 3000});
    EXPECT_TRUE(TcpClient::connect(net.client, {"10.1.0.3", 3000}));

    const Netns bridge;
    const Netns guest;
    const VethPair port(guest, "eth0", bridge, "port0");
    add_bridge(bridge, "br0", {port.b}).add_address("10.9.0.1/24");
    port.a.add_address("10.9.0.2/24");
    const TcpServer on_bridge(bridge, {"10.9.0.1", 3000});
    EXPECT_TRUE(TcpClient::connect(guest, {"10.9.0.1", 3000}));
}

TEST_F(Harness, TunCarriesPacketsWithoutEthernet) {
    const Netns netns;
    const Tun tun(netns, "tun0");
    tun.interface().add_address("10.7.0.1/24");
    const UdpServer udp(netns, {"10.7.0.1", 3000});
    tun.send((Ipv4{.src = "10.7.0.9", .dst = "10.7.0.1"} / Udp{.sport = 9, .dport = 3000} /
              Payload("ping"))
                 .build());
    std::optional<Bytes> reply; // the kernel's own IPv6 chatter may come first
    while ((reply = tun.receive()) && parse(*reply, Start::kNetwork).packet->dport != 9) {
    }
    ASSERT_TRUE(reply);
    EXPECT_TRUE(parse(*reply, Start::kNetwork).checksums_good());
}

TEST_F(Harness, InjectedFramesArrive) {
    const ClientServer net;
    const UdpServer udp(net.server, {"::", 3000});
    const Capture client(net.link.a);
    client.send((Ethernet{.dst = net.link.b.mac(), .src = net.link.a.mac()} /
                 Ipv4{.src = "10.1.0.1", .dst = "10.1.0.2", .options = Bytes(4, 1)} /
                 Udp{.sport = 7, .dport = 3000, .checksum = Checksum::kZero} / Payload("x"))
                    .build());
    for (const Bytes& part : fragments(Ethernet{.dst = net.link.b.mac(), .src = net.link.a.mac()} /
                                           Ipv6{.src = "fd01::1", .dst = "fd01::2"} / HopByHop{} /
                                           Udp{.sport = 8, .dport = 3000} / Payload(4000),
                                       1024))
        client.send(part);
    for (int tries = 0; tries < 1000 && udp.seen().size() < 2; ++tries) ::usleep(10000);
    EXPECT_EQ(udp.seen().size(), 2U);
}

} // namespace
} // namespace bpfport::test
