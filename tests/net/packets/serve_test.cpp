// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The main job: a program on 3000 is reached on 80, from everywhere, by both families and both
// transports; who goes straight to 3000 notices nothing. Every frame on the wire is checked.
#include <numeric>

#include "harness/capture.hpp"
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;
constexpr auto kClient = ClientServer::client_address;

class Serve : public EveryMode {};

INSTANTIATE_TEST_SUITE_P(
    , Serve,
    testing::Values(Mode{true, "tcx"}, Mode{false, "tcx"}, Mode{true, "clsact"},
                    Mode{false, "clsact"}, Mode{true, "auto", "xdp"}, Mode{false, "auto", "xdp"},
                    Mode{false, "clsact", "xdp"}, Mode{true, "auto", "sklookup"},
                    Mode{false, "auto", "sklookup"}, Mode{false, "auto", "auto"}),
    mode_name);

TEST_P(Serve, ClientsFromOutsideAndOnTheHost) {
    const ClientServer net(GetParam().tx_checksum);
    const Service service(net.server, 3000);
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000/tcp+udp")));
    for (const Flavour& flavour : kFlavours) {
        SCOPED_TRACE(flavour.text());
        const auto asks = [&](const Netns& from, const Address& to, std::uint16_t port) {
            return ask(from, {to, port}, flavour.transport);
        };
        EXPECT_EQ(asks(net.client, kServer(flavour.ipv6), 80), "hello");
        EXPECT_EQ(asks(net.client, kServer(flavour.ipv6), 3000), "hello");
        EXPECT_EQ(asks(net.server, kServer(flavour.ipv6), 80), "hello");
        EXPECT_EQ(asks(net.server, flavour.ipv6 ? "::1" : "127.0.0.1", 80), "hello");
        EXPECT_EQ(asks(net.server, flavour.ipv6 ? "::1" : "127.0.0.1", 3000), "hello");
        EXPECT_EQ(asks(net.client, kServer(flavour.ipv6), 81), "refused");
    }
    // Under every engine the server sees its own port, and the client's true address.
    auto client =
        connected(net.client, {kServer(true), 80}, {.source = Endpoint{kClient(true), 4001}});
    EXPECT_TRUE(alive(client));
    EXPECT_EQ(service.tcp.seen().back(), (Seen{{kServer(true), 3000}, {kClient(true), 4001}}));
    EXPECT_EQ(client.peer().port, 80);
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "refused");
    EXPECT_EQ(ask(net.client, {kServer(false), 3000}, Transport::kTcp), "hello");
    EXPECT_TRUE(expect_kernel_empty({net.server, net.client}));
}

TEST_P(Serve, EveryFrameIsRightOnTheWire) {
    const ClientServer net(GetParam().tx_checksum);
    const Service service(net.server, 3000);
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000/tcp+udp")));
    Capture capture(net.link.a);
    for (const bool ipv6 : {false, true}) {
        SCOPED_TRACE(ipv6 ? "v6" : "v4");
        auto tcp = connected(net.client, {kServer(ipv6), 80});
        for (const std::size_t bytes : {1UL, 1000UL, 60000UL}) EXPECT_TRUE(alive(tcp, bytes));
        auto udp = UdpClient::connect(net.client, {kServer(ipv6), 80});
        for (const std::size_t bytes : {0UL, 1UL, 1400UL, 1473UL, 9001UL, 60000UL}) {
            std::string message(bytes, '\0');
            std::iota(message.begin(), message.end(), 'a');
            EXPECT_EQ(udp->echo(message).value_or(Datagram{"lost", {}}).data, message) << bytes;
        }
        if (!ipv6) {
            auto plain =
                UdpClient::connect(net.client, {kServer(ipv6), 80}, {.udp_checksum = false});
            EXPECT_EQ(plain->echo("hello").value_or(Datagram{"lost", {}}).data, "hello");
        }
    }
    std::size_t seen = 0;
    for (const Captured& frame :
         capture.all([](const Captured& c) { return c.view.packet.has_value(); })) {
        seen += with_port(80)(frame) ? 1 : 0;
        EXPECT_FALSE(with_port(3000)(frame)) << describe(frame.frame);
        if (frame.checksum_ready) {
            EXPECT_TRUE(frame.view.checksums_good()) << describe(frame.frame);
        } else {
            EXPECT_TRUE(GetParam().tx_checksum);
        }
    }
    EXPECT_GT(seen, 40U);
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_P(Serve, BulkBothWays) {
    const ClientServer net(GetParam().tx_checksum);
    const Service service(net.server, 3000);
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000")));
    std::vector<unsigned> mtus = {1500};
    // Before XDP knew fragments of a frame, a veth with a program had frames of a page.
    if (GetParam().engine != std::string_view("xdp") || kernel_at_least(5, 18))
        mtus.push_back(9000);
    const unsigned connections = 2 * mtus.size();
    for (const unsigned mtu : mtus) {
        net.link.mtu(mtu);
        for (const bool ipv6 : {false, true}) {
            auto client = connected(net.client, {kServer(ipv6), 80});
            for (int round = 0; round < 100; ++round)
                ASSERT_TRUE(alive(client, 50000)) << mtu << " " << ipv6 << " " << round;
        }
    }
    const auto rule = status(net.server).at("rules").at(0);
    EXPECT_EQ(rule.at("connections"), connections);
    if (GetParam().steers()) { // no packet is seen, and none is claimed to have been
        EXPECT_FALSE(rule.contains("bytes_in")) << rule;
        ASSERT_TRUE(works(net.server, "detach eth0"));
        EXPECT_TRUE(expect_kernel_empty({net.server}));
        return;
    }
    const std::uint64_t data = connections * 100ULL * 50000;
    EXPECT_GT(rule.at("bytes_in").get<std::uint64_t>(), data);
    EXPECT_LT(rule.at("bytes_in").get<std::uint64_t>(), data + data / 4);
    EXPECT_GT(rule.at("bytes_out").get<std::uint64_t>(), data);
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

struct Server {
    const char* name;
    ServerOptions options;
    Endpoint at;
    bool mptcp_client = false;
};

// Each in turn behind port 80: reached over the families that it serves, refused over the other.
void expect_served(const std::string& engine, std::initializer_list<Server> servers) {
    const ClientServer net;
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 --engine " + engine));
    for (const Server& one : servers) {
        // What sklookup alone can't serve is told by status, and auto has tc for it.
        const bool served = !one.options.mptcp || engine != "sklookup";
        const TcpServer server(net.server, one.at, one.options);
        for (const bool ipv6 : {false, true}) {
            const bool reachable =
                served && (ipv6 ? one.at.address.is_ipv6()
                                : !one.options.v6only && one.at.address != Address(kServer(true)));
            EXPECT_EQ(
                ask(net.client, {kServer(ipv6), 80}, Transport::kTcp, {.mptcp = one.mptcp_client}),
                reachable ? "hello" : "refused")
                << one.name << (ipv6 ? " v6" : " v4");
        }
    }
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

INSTANTIATE_TEST_SUITE_P(, EveryEngine, testing::Values("tc", "xdp", "sklookup", "auto"),
                         engine_param);

TEST_P(EveryEngine, ServersOfEveryKind) {
    expect_served(GetParam(), {{"any v4", {}, {"0.0.0.0", 3000}},
                               {"v4 address", {}, {kServer(false), 3000}},
                               {"v6 only", {.v6only = true}, {"::", 3000}},
                               {"v6 address", {}, {kServer(true), 3000}}});
}

TEST_P(EveryEngine, MptcpServersAndClients) {
    if (!open_socket(Netns(), AF_INET, SOCK_STREAM, {.mptcp = true}))
        GTEST_SKIP() << "the kernel has no MPTCP";
    expect_served(GetParam(), {{"mptcp, tcp client", {.mptcp = true}, {"::", 3000}},
                               {"mptcp, mptcp client", {.mptcp = true}, {"::", 3000}, true},
                               {"tcp, mptcp client", {}, {"::", 3000}, true}});
}

TEST_P(EveryEngine, ReusePortGroupIsSharedOut) {
    const ClientServer net;
    const Service first(net.server, 3000, {.reuse_port = true});
    const Service second(net.server, 3000, {.reuse_port = true});
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000/tcp+udp")));
    for (int i = 0; i < 10; ++i)
        for (const Flavour& flavour : kFlavours)
            EXPECT_EQ(ask(net.client, {kServer(flavour.ipv6), 80}, flavour.transport), "hello");
    EXPECT_EQ(first.tcp.seen().size() + second.tcp.seen().size(), 20U);
    EXPECT_GT(first.served(), 5U);
    EXPECT_GT(second.served(), 5U);
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

TEST_P(EveryEngine, SynCookies) {
    const ClientServer net;
    net.server.sysctl("net/ipv4/tcp_syncookies", "2");
    const Service service(net.server, 3000);
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000 8080:3000")));
    for (int i = 0; i < 10; ++i)
        for (const bool ipv6 : {false, true})
            for (const std::uint16_t port : {80, 3000, 8080}) {
                auto client = connected(net.client, {kServer(ipv6), port});
                EXPECT_TRUE(alive(client));
            }
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

} // namespace
} // namespace bpfport::test
