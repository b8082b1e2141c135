// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// B8: a datagram with a living flow's addresses and ports changes nothing for that flow, from any
// sender: the older use wins while it lasts.
#include <netinet/in.h>

#include "net/trust/raw_client.hpp"

namespace bpfport::test {
namespace {

// A program that answers when a test says so.
class SlowServer {
  public:
    SlowServer(const Netns& netns, bool ipv6, std::uint16_t port) {
        auto opened =
            open_socket(netns, ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM,
                        {.source = Endpoint{ipv6 ? "::" : "0.0.0.0", port}, .timeout = 2s});
        if (!opened) throw std::runtime_error(opened.error().message);
        socket_ = std::move(*opened);
    }
    // Takes the next datagram, and remembers its sender as the peer.
    bool take() {
        char data[100];
        socklen_t size = sizeof(peer_);
        return ::recvfrom(socket_.get(), data, sizeof(data), 0, reinterpret_cast<sockaddr*>(&peer_),
                          &size) >= 0;
    }
    void say(std::string_view data) const {
        const socklen_t size =
            peer_.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
        (void)::sendto(socket_.get(), data.data(), data.size(), 0,
                       reinterpret_cast<const sockaddr*>(&peer_), size);
    }

  private:
    Fd socket_;
    sockaddr_storage peer_{};
};

class TrustUdp : public EveryMode {};

INSTANTIATE_TEST_SUITE_P(, TrustUdp,
                         testing::Values(Mode{true, "tcx"}, Mode{false, "clsact"},
                                         Mode{false, "auto", "xdp"}, Mode{false, "auto", "auto"},
                                         Mode{false, "auto", "sklookup"}),
                         mode_name);

TEST_P(TrustUdp, B8_OneDatagramFlipsNoFlow) {
    const ClientServer net(GetParam().tx_checksum);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/udp 81:3000/udp " + GetParam().options()));
    const Capture wire(net.link.a);
    for (const bool ipv6 : {false, true}) {
        SlowServer server(net.server, ipv6, 3000);
        const Address to = ClientServer::server_address(ipv6);
        for (const auto& [port, other] : {std::pair{80, 81}, {80, 3000}, {3000, 80}}) {
            SCOPED_TRACE(fmt::format("{} {}, a stranger's to {}", ipv6 ? "v6" : "v4", port, other));
            auto client = UdpClient::open(net.client, ipv6, {.timeout = 1s});
            const Endpoint asked{to, static_cast<std::uint16_t>(port)};
            ASSERT_TRUE(client->send_to(asked, "hello"));
            ASSERT_TRUE(server.take());
            server.say("one");
            EXPECT_EQ(client->receive().value_or(Datagram{}).from.port, port);

            wire.send(
                (Ethernet{.dst = net.link.b.mac(), .src = net.link.a.mac()} /
                 network(ClientServer::client_address(ipv6), to) /
                 Udp{.sport = client->local().port, .dport = static_cast<std::uint16_t>(other)} /
                 Payload("evil"))
                    .build());
            ::usleep(20000);
            server.say("two");
            EXPECT_EQ(client->receive().value_or(Datagram{}).from.port, port);
            // The client's own goes through, and the answer comes from where it went.
            ASSERT_TRUE(client->send_to(asked, "hello"));
            EXPECT_TRUE(server.take());
            server.say("three");
            EXPECT_EQ(client->receive().value_or(Datagram{}).from.port, port);
        }
    }
    EXPECT_EQ(outcome(net.server, "older_direct"), 2U);
    EXPECT_EQ(outcome(net.server, "older_redirected"), 4U);
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

TEST_P(TrustUdp, B8_OneDatagramFlipsNoForwardedFlow) {
    if (GetParam().steers()) GTEST_SKIP() << "what is forwarded meets no socket of this host";
    const ClientRouterServer net(1500, GetParam().tx_checksum);
    ASSERT_TRUE(works(net.router,
                      "attach left 80:3000/udp 81:3000/udp --forwarded " + GetParam().options()));
    const Capture wire(net.client_link.a);
    for (const bool ipv6 : {false, true}) {
        SlowServer server(net.server, ipv6, 3000);
        const Address to = ClientRouterServer::server_address(ipv6);
        for (const std::uint16_t port : {80, 3000}) {
            SCOPED_TRACE(fmt::format("{} {}", ipv6 ? "v6" : "v4", port));
            auto client = UdpClient::open(net.client, ipv6, {.timeout = 1s});
            ASSERT_TRUE(client->send_to({to, port}, "hello"));
            ASSERT_TRUE(server.take());
            for (const std::uint16_t other : {80, 81, 3000}) {
                if (port == other) continue;
                wire.send(
                    (Ethernet{.dst = net.client_link.b.mac(), .src = net.client_link.a.mac()} /
                     network(ClientRouterServer::client_address(ipv6), to) /
                     Udp{.sport = client->local().port, .dport = other} / Payload("evil"))
                        .build());
                ::usleep(20000);
                server.say("more");
                EXPECT_EQ(client->receive().value_or(Datagram{}).from.port, port) << other;
            }
        }
    }
    ASSERT_TRUE(works(net.router, "detach left"));
}

} // namespace
} // namespace bpfport::test
