// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// UDP where a port or an address alone does not say whose a datagram is: this host's own queries
// from the listen port, servers that answer from another address than was asked, and datagrams that
// are cut into several after the programs have seen them.
#include <netinet/in.h>
#include <netinet/udp.h>

#include <fmt/format.h>

#include "harness/capture.hpp"
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;
constexpr auto kClient = ClientServer::client_address;

class OwnUdp : public EveryMode {
  protected:
    // Who answers, and from where.
    static std::string reply_to(UdpClient& socket, const Endpoint& to, const char* text = "hello") {
        if (auto sent = socket.send_to(to, text); !sent) return sent.error().message;
        const auto reply = socket.receive();
        if (!reply) return "silent";
        return fmt::format("{} from {} {}", reply->data, reply->from.address.text(),
                           reply->from.port);
    }
    static std::string says(const char* who, const Endpoint& from) {
        return fmt::format("{} from {} {}", who, from.address.text(), from.port);
    }
};

INSTANTIATE_TEST_SUITE_P(, OwnUdp,
                         testing::Values(Mode{true, "tcx"}, Mode{false, "tcx"},
                                         Mode{false, "clsact"}, Mode{false, "auto", "xdp"},
                                         Mode{false, "auto", "sklookup"},
                                         Mode{false, "auto", "auto"}),
                         mode_name);

// ntpd asks from 123 by a socket that is not connected, while another server has 123 redirected.
TEST_P(OwnUdp, AnswersToOwnQueriesComeBack) {
    const ClientServer net(GetParam().tx_checksum);
    const UdpServer service(net.server, {"::", 12300}, {.answer = "service"});
    const UdpServer peer(net.client, {"::", 123}, {.answer = "peer"});
    const UdpServer local(net.server, {"::", 5353}, {.answer = "local"});
    ASSERT_TRUE(works(net.server, attach("eth0 123:12300/udp")));
    for (const bool ipv6 : {false, true})
        for (const bool wildcard : {false, true}) {
            SCOPED_TRACE(testing::Message() << (ipv6 ? "v6 " : "v4 ") << wildcard);
            const Endpoint at{kServer(ipv6), 123}, there{kClient(ipv6), 123};
            const Endpoint any{ipv6 ? "::" : "0.0.0.0", 123};
            const Endpoint loopback{ipv6 ? "::1" : "127.0.0.1", 5353};
            auto own =
                UdpClient::open(net.server, ipv6, {.source = wildcard ? any : at, .timeout = 1s});
            ASSERT_TRUE(own) << own.error().message;
            auto client = UdpClient::open(net.client, ipv6, {.timeout = 1s});
            EXPECT_EQ(reply_to(*client, at), says("service", at));
            for (int round = 0; round < 3; ++round) {
                EXPECT_EQ(reply_to(*own, there), says("peer", there));
                EXPECT_EQ(reply_to(*client, at), says("service", at));
                if (wildcard) {
                    EXPECT_EQ(reply_to(*own, loopback), says("local", loopback));
                }
            }
            // Who is a client on record stays one, whatever this host sends to it.
            ASSERT_TRUE(own->send_to({kClient(ipv6), client->local().port}, "a word"));
            EXPECT_EQ(client->receive().value_or(Datagram{}).data, "a word");
            EXPECT_EQ(reply_to(*client, at), says("service", at));
        }
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// A server on the wildcard answers from the address that the kernel chooses.
TEST_P(OwnUdp, AnswersComeFromTheAddressThatWasAsked) {
    const ClientServer net(GetParam().tx_checksum);
    const Interface lo(net.server, "lo");
    lo.add_address("10.9.0.1/32").add_address("fd09::1/128");
    net.link.b.add_address("10.1.0.20/24").add_address("fd01::20/64");
    net.client.ip("route add 10.9.0.1 via 10.1.0.2");
    net.client.ip("-6 route add fd09::1 via fd01::2");
    const UdpServer service(net.server, {"::", 3000});
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000/udp")));
    Capture capture(net.link.a);
    // Client ports of their own: one that was drawn twice would be the older, direct flow's.
    std::uint16_t port = 20000;
    const auto opened = [&](bool ipv6) {
        const Endpoint from{ipv6 ? "::" : "0.0.0.0", port++};
        return UdpClient::open(net.client, ipv6, {.source = from, .timeout = 1s});
    };
    for (const bool ipv6 : {false, true})
        for (const Address& address : {kServer(ipv6), Address(ipv6 ? "fd01::20" : "10.1.0.20"),
                                       Address(ipv6 ? "fd09::1" : "10.9.0.1")}) {
            const Endpoint at{address, 80};
            SCOPED_TRACE(address.text());
            auto client = opened(ipv6);
            for (int round = 0; round < 3; ++round)
                EXPECT_EQ(reply_to(*client, at), says("hello", at));
            // In fragments, of which only the first has ports.
            const std::string large(5000, 'x');
            for (int round = 0; round < 2; ++round)
                EXPECT_EQ(reply_to(*client, at, large.c_str()), says(large.c_str(), at));
            // Another socket goes straight to the target, at the address the kernel answers from.
            const Endpoint direct{ipv6 ? "fd01::20" : "10.1.0.2", 3000};
            auto straight = opened(ipv6);
            EXPECT_EQ(reply_to(*straight, direct), says("hello", direct));
            // Of this one the older port keeps the flow, at the address where it asked.
            EXPECT_EQ(reply_to(*client, direct),
                      address == direct.address ? "silent" : says("hello", direct));
            // A connected one receives nothing from elsewhere.
            EXPECT_EQ(ask(net.client, at, Transport::kUdp), "hello");
            EXPECT_EQ(ask(net.server, at, Transport::kUdp), "hello");
        }
    for (const Captured& frame :
         capture.all([](const Captured& c) { return c.view.packet.has_value(); }))
        if (frame.checksum_ready) {
            EXPECT_TRUE(frame.view.checksums_good()) << describe(frame.frame);
        }
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// QUIC servers hand the kernel many datagrams in one (UDP_SEGMENT). Without checksum offload it cuts
// them itself, after the programs, and expects the pseudo-header's sum in the first one's header.
TEST_P(OwnUdp, SegmentedAnswersAreRight) {
    const ClientServer net(GetParam().tx_checksum);
    net.link.b.add_address("10.1.0.20/24").add_address("fd01::20/64");
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000/udp")));
    for (const bool ipv6 : {false, true})
        for (const Address& address : {kServer(ipv6), Address(ipv6 ? "fd01::20" : "10.1.0.20")}) {
            SCOPED_TRACE(address.text());
            auto server = UdpClient::open(net.server, ipv6,
                                          {.source = Endpoint{ipv6 ? "::" : "0.0.0.0", 3000}});
            const int size = 500;
            if (::setsockopt(server->socket().get(), IPPROTO_UDP, UDP_SEGMENT, &size,
                             sizeof(size)) != 0)
                GTEST_SKIP() << "the kernel has no UDP_SEGMENT";
            auto client = UdpClient::open(net.client, ipv6, {.timeout = 1s});
            ASSERT_TRUE(client->send_to({address, 80}, "many please"));
            const auto question = server->receive();
            ASSERT_TRUE(question) << question.error().message;
            if (auto sent = server->send_to(question->from, std::string(3 * size, 'x')); !sent) {
                if (sent.error().code == EIO)
                    GTEST_SKIP() << "this kernel segments nothing without checksum offload";
                FAIL() << sent.error().message;
            }
            for (int datagram = 0; datagram < 3; ++datagram) {
                const auto answer = client->receive();
                ASSERT_TRUE(answer) << datagram << ": " << answer.error().message;
                EXPECT_EQ(answer->data, std::string(size, 'x'));
                EXPECT_EQ(answer->from, (Endpoint{address, 80}));
            }
        }
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

} // namespace
} // namespace bpfport::test
