// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// One client address and port towards several of our ports: the older connection is never
// disturbed, whatever is sent, and the newer one is refused at once.
#include "harness/capture.hpp"
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;
constexpr auto kClient = ClientServer::client_address;

class Tuple : public EveryMode {};

INSTANTIATE_TEST_SUITE_P(, Tuple,
                         testing::Values(Mode{true, "tcx"}, Mode{false, "tcx"},
                                         Mode{false, "clsact"}, Mode{true, "auto", "xdp"},
                                         Mode{false, "auto", "xdp"},
                                         Mode{false, "auto", "sklookup"},
                                         Mode{false, "auto", "auto"}),
                         mode_name);

TEST_P(Tuple, TheOlderConnectionWins) {
    const ClientServer net(GetParam().tx_checksum);
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 8080:3000 " + GetParam().options()));
    struct Case {
        std::uint16_t older;
        std::uint16_t newer;
    };
    const Case cases[] = {{80, 3000}, {3000, 80}, {80, 8080}, {3000, 8080}};
    std::uint16_t port = 5000;
    for (const Netns* from : {&net.client, &net.server})
        for (const bool ipv6 : {false, true})
            for (const Case& one : cases) {
                SCOPED_TRACE(testing::Message() << from->name() << (ipv6 ? " v6 " : " v4 ")
                                                << one.older << " before " << one.newer);
                const Address here = from == &net.client ? kClient(ipv6) : kServer(ipv6);
                const SocketOptions source{.source = Endpoint{here, ++port}, .timeout = 3s};
                auto older = connected(*from, {kServer(ipv6), one.older}, source);
                EXPECT_TRUE(alive(older));
                // Nothing coincides where no port is rewritten.
                EXPECT_EQ(ask(*from, {kServer(ipv6), one.newer}, Transport::kTcp, source),
                          GetParam().steers() ? "hello" : "refused");
                EXPECT_TRUE(alive(older));
            }
    const unsigned refused = GetParam().steers() ? 0 : 4; // of one case: two clients, two families
    EXPECT_EQ(outcome(net.server, "older_redirected"), refused);
    EXPECT_EQ(outcome(net.server, "older_direct"), 3 * refused);
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// The client's port is free again and goes to another of our ports: each TIME_WAIT, hint and record
// that the last connection left must not matter.
TEST_P(Tuple, ThePortIsUsedAgain) {
    const ClientServer net(GetParam().tx_checksum);
    const TcpServer closing(net.server, {"::", 3000}, {.closes = true}); // TIME_WAIT is here
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 8080:3000 " + GetParam().options()));
    for (const bool ipv6 : {false, true}) {
        std::uint16_t last = 0;
        for (const std::uint16_t port : {80, 80, 3000, 3000, 80, 8080, 3000, 8080, 80}) {
            ::usleep(20000); // TIME_WAIT gives way to a SYN with a later time stamp
            EXPECT_EQ(ask(net.client, {kServer(ipv6), port}, Transport::kTcp,
                          {.source = Endpoint{kClient(ipv6), 6000}, .timeout = 5s}),
                      "hello")
                << port << " after " << last;
            last = port;
        }
    }
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

TEST_P(Tuple, UdpTheOlderPortWins) {
    const ClientServer net(GetParam().tx_checksum);
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/udp 81:3000/udp " + GetParam().options()));
    for (const bool ipv6 : {false, true})
        for (const std::uint16_t older : {80, 81, 3000}) {
            auto client = UdpClient::open(net.client, ipv6, {.timeout = 200ms});
            for (const std::uint16_t port :
                 {older, std::uint16_t{80}, std::uint16_t{3000}, older}) {
                ASSERT_TRUE(client->send_to({kServer(ipv6), port}, "x"));
                EXPECT_EQ(client->receive().value_or(Datagram{}).from.port,
                          port == older ? older : 0);
            }
        }
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

// A stranger on the link sends SYNs (and worse) with a living connection's addresses and ports.
TEST_P(Tuple, SpoofedPacketsChangeNothing) {
    const ClientServer net(GetParam().tx_checksum);
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 8080:3000 " + GetParam().options()));
    const Capture wire(net.link.a);
    for (const bool ipv6 : {false, true})
        for (const std::uint16_t port : {80, 3000}) {
            auto client = connected(net.client, {kServer(ipv6), port});
            EXPECT_TRUE(alive(client));
            for (const std::uint16_t to : {80, 8080, 3000})
                for (const std::uint8_t flags : {kSyn, kRst, static_cast<std::uint8_t>(kRst | kAck),
                                                 static_cast<std::uint8_t>(kFin | kAck), kAck}) {
                    SCOPED_TRACE(testing::Message() << (ipv6 ? "v6 " : "v4 ") << port << ", to "
                                                    << to << ", flags " << int{flags});
                    const Packet link = Ethernet{.dst = net.link.b.mac(), .src = net.link.a.mac()};
                    const Packet network =
                        ipv6 ? Packet(Ipv6{.src = kClient(true), .dst = kServer(true)})
                             : Packet(Ipv4{.src = kClient(false), .dst = kServer(false)});
                    wire.send((link / network /
                               Tcp{.sport = client.local().port,
                                   .dport = to,
                                   .seq = 0x12345678,
                                   .flags = flags})
                                  .build());
                    EXPECT_TRUE(alive(client, 10));
                }
            EXPECT_TRUE(alive(client));
        }
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

} // namespace
} // namespace bpfport::test
