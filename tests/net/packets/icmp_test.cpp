// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// ICMP errors find their way through the redirect: path-MTU discovery and port unreachable, both
// families, and errors about direct connections keep their port.
#include "harness/capture.hpp"
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

constexpr unsigned kNarrow = 1280;

class Icmp : public EveryMode {};

INSTANTIATE_TEST_SUITE_P(, Icmp,
                         testing::Values(Mode{true, "tcx"}, Mode{false, "tcx"},
                                         Mode{false, "clsact"}, Mode{false, "auto", "xdp"},
                                         Mode{false, "auto", "sklookup"}),
                         mode_name);

// The router's way to the client is narrower than either end knows.
struct NarrowPath : ClientRouterServer {
    explicit NarrowPath(bool tx_checksum) : ClientRouterServer(kNarrow, tx_checksum) {
        client.ip("link set eth0 mtu 1500"); // else the client's MSS would tell the server
    }
};

TEST_P(Icmp, PathMtuIsDiscoveredByTcp) {
    const NarrowPath net(GetParam().tx_checksum);
    const TcpServer web(net.server, {"::", 3000}, {.reply_bytes = 300000});
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000")));
    Capture router(net.server_link.b);
    for (const bool ipv6 : {false, true}) {
        SCOPED_TRACE(ipv6 ? "v6" : "v4");
        for (const std::uint16_t port : {80, 3000}) {
            const Endpoint server{NarrowPath::server_address(ipv6), port};
            auto client = connected(net.client, server);
            ASSERT_TRUE(client.send("go"));
            EXPECT_EQ(client.receive(300000).value_or("").size(), 300000U) << port;
            const auto error = router.next([&](const Captured& c) {
                return c.outgoing && c.view.quoted && c.view.quoted->sport == port;
            });
            EXPECT_TRUE(error) << port;
            // Forget what was learned, so that the other port has to learn it too.
            net.server.ip("route flush cache");
            net.server.ip("-6 route flush cache");
        }
    }
    EXPECT_GE(outcome(net.server, "icmp_in"), GetParam().steers() ? 0U : 2U);
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

// The first large datagram is lost and teaches the server; later ones come in fragments.
TEST_P(Icmp, PathMtuIsDiscoveredByUdp) {
    const NarrowPath net(GetParam().tx_checksum);
    const UdpServer service(net.server, {"::", 5300}, {.reply_bytes = 1400});
    ASSERT_TRUE(works(net.server, attach("eth0 53:5300/udp")));
    for (const bool ipv6 : {false, true}) {
        auto client = UdpClient::connect(net.client, {NarrowPath::server_address(ipv6), 53},
                                         {.timeout = 500ms});
        std::size_t received = 0;
        for (int tries = 0; tries < 5 && received == 0; ++tries)
            received = client->echo("x").value_or(Datagram{}).data.size();
        EXPECT_EQ(received, 1400U) << (ipv6 ? "v6" : "v4");
    }
    EXPECT_GE(outcome(net.server, "icmp_in"), 2U);
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

TEST_P(Icmp, PortUnreachableReachesTheClient) {
    const ClientServer net(GetParam().tx_checksum);
    ASSERT_TRUE(works(net.server, attach("eth0 53:5300/udp")));
    Capture wire(net.link.a);
    for (const bool ipv6 : {false, true}) {
        const Address server = ClientServer::server_address(ipv6);
        for (const Netns* from : {&net.client, &net.server})
            for (const std::uint16_t port : {53, 5300})
                EXPECT_EQ(ask(*from, {server, port}, Transport::kUdp), "refused")
                    << from->name() << (ipv6 ? " v6 " : " v4 ") << port;
    }
    EXPECT_EQ(outcome(net.server, "icmp_out"), GetParam().steers() ? 0U : 4U);
    for (const Captured& error :
         wire.all([](const Captured& c) { return c.view.quoted.has_value(); })) {
        EXPECT_EQ(error.view.packet->l4_checksum, Verdict::kGood) << describe(error.frame);
        // The quote repeats what was received: with tx on, a checksum not finished.
        if (!GetParam().tx_checksum) {
            EXPECT_TRUE(error.view.checksums_good()) << describe(error.frame);
        }
    }
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// The other way round: a client that is gone refuses the server's reply, and the server's socket,
// connected to it on the target port, learns of it.
TEST_P(Icmp, PortUnreachableReachesTheServer) {
    if (GetParam().steers())
        GTEST_SKIP() << "sk_lookup gives no datagram to a connected socket (docs/engines.md)";
    const ClientServer net(GetParam().tx_checksum);
    ASSERT_TRUE(works(net.server, attach("eth0 53:5300/udp")));
    for (const bool ipv6 : {false, true}) {
        const Endpoint here{ClientServer::server_address(ipv6), 5300};
        const Endpoint peer{ClientServer::client_address(ipv6), 4500};
        auto server = UdpClient::connect(net.server, peer, {.source = here});
        {
            auto client = UdpClient::connect(net.client, {here.address, 53}, {.source = peer});
            ASSERT_TRUE(client->send("question"));
            EXPECT_EQ(server->receive().value_or(Datagram{}).data, "question");
            ASSERT_TRUE(server->send("answer"));
            EXPECT_EQ(client->receive().value_or(Datagram{}).data, "answer");
        }
        ASSERT_TRUE(server->send("too late"));
        const auto error = server->receive();
        ASSERT_FALSE(error);
        EXPECT_EQ(error.error().code, ECONNREFUSED) << (ipv6 ? "v6" : "v4");
    }
    EXPECT_EQ(outcome(net.server, "icmp_in"), 2U);
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

} // namespace
} // namespace bpfport::test
