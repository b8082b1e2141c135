// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// B6: a connection that this host only forwards. No socket here tells whose the conversation is, and
// all the same a stranger's packets change nothing for one that lives.
#include "net/trust/raw_client.hpp"

namespace bpfport::test {
namespace {

class TrustForward : public EveryMode {
  protected:
    [[nodiscard]] static std::string attach() {
        return "attach left 80:3000 81:3000 --forwarded " + GetParam().options();
    }
    static Result<TcpClient> connect(const ClientRouterServer& net, bool ipv6, std::uint16_t port,
                                     std::uint16_t source_port) {
        return TcpClient::connect(
            net.client, {ClientRouterServer::server_address(ipv6), port},
            {.source = Endpoint{ClientRouterServer::client_address(ipv6), source_port},
             .timeout = 3s});
    }
};

INSTANTIATE_TEST_SUITE_P(, TrustForward,
                         testing::Values(Mode{true, "tcx"}, Mode{false, "clsact"},
                                         Mode{false, "auto", "xdp"}),
                         mode_name);

void send_strangers(const ClientRouterServer& net, const TcpClient& client, bool ipv6) {
    const Capture wire(net.client_link.a);
    for (const std::uint16_t to : {80, 81, 3000})
        for (const std::uint8_t flags : {kSyn, kRst, static_cast<std::uint8_t>(kRst | kAck),
                                         static_cast<std::uint8_t>(kFin | kAck), kAck})
            wire.send((Ethernet{.dst = net.client_link.b.mac(), .src = net.client_link.a.mac()} /
                       network(ClientRouterServer::client_address(ipv6),
                               ClientRouterServer::server_address(ipv6)) /
                       Tcp{.sport = client.local().port,
                           .dport = to,
                           .seq = 0x12345678,
                           .ack = 0x87654321,
                           .flags = flags})
                          .build());
    ::usleep(20000);
}

TEST_P(TrustForward, B6_NoStrangersPacketFlipsAConnection) {
    const ClientRouterServer net(1500, GetParam().tx_checksum);
    const TcpServer far(net.server, {"::", 3000});
    for (const bool ipv6 : {false, true}) {
        SCOPED_TRACE(ipv6 ? "v6" : "v4");
        auto before = connect(net, ipv6, 3000, 7000); // older than the rule
        ASSERT_TRUE(before);
        ASSERT_TRUE(works(net.router, attach()));
        std::uint16_t port = 7001;
        for (const std::uint16_t to : {80, 81, 3000}) {
            auto client = connect(net, ipv6, to, port++);
            ASSERT_TRUE(client) << to << " " << client.error().message;
            EXPECT_TRUE(alive(*client));
            send_strangers(net, *client, ipv6);
            EXPECT_TRUE(alive(*client)) << to;
        }
        send_strangers(net, *before, ipv6);
        EXPECT_TRUE(alive(*before));
        ASSERT_TRUE(works(net.router, "detach left"));
    }
    EXPECT_TRUE(expect_kernel_empty({net.router}));
}

// A client may use its port again, for the other port, as soon as the far host lets it.
TEST_P(TrustForward, B6_AClosedConnectionGivesWay) {
    const ClientRouterServer net(1500, GetParam().tx_checksum);
    const TcpServer far(net.server, {"::", 3000});
    ASSERT_TRUE(works(net.router, attach()));
    for (const bool ipv6 : {false, true})
        for (const std::uint16_t to : {80, 80, 3000, 81, 3000, 80}) {
            auto client = connect(net, ipv6, to, 7100);
            ASSERT_TRUE(client) << to << " " << client.error().message;
            EXPECT_TRUE(alive(*client)) << to;
            client->reset();
            ::usleep(20000);
        }
    ASSERT_TRUE(works(net.router, "detach left"));
}

// What is known of a connection is an LRU's. One that was forgotten is known again by its numbers.
TEST_P(TrustForward, B6_AForgottenConnectionIsKnownAgain) {
    const ClientRouterServer net(1500, GetParam().tx_checksum);
    const TcpServer far(net.server, {"::", 3000});
    for (const bool ipv6 : {false, true}) {
        ASSERT_TRUE(works(net.router, attach()));
        auto client = connect(net, ipv6, 80, 0);
        ASSERT_TRUE(client && alive(*client));
        ASSERT_TRUE(works(net.router, "detach left"));
        ASSERT_TRUE(works(net.router, attach())); // new tables
        EXPECT_TRUE(alive(*client));
        ASSERT_TRUE(works(net.router, "detach left"));
    }
}

} // namespace
} // namespace bpfport::test
