// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// netfilter's SYNPROXY in front of the target: it answers the handshake itself, then repeats the
// client's SYN over lo, from the client's address.
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

class Synproxy : public EveryEngine {};
INSTANTIATE_TEST_SUITE_P(, Synproxy, testing::Values("tc", "xdp"), engine_param);

constexpr const char* kRules = R"(
table inet shield {
  chain first {
    type filter hook prerouting priority raw;
    iifname "eth0" tcp dport 3000 tcp flags syn notrack
  }
  chain second {
    type filter hook input priority filter;
    iifname "eth0" tcp dport 3000 ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp sack-perm
    ct state invalid drop
  }
}
)";

TEST_P(Synproxy, ClientsAreServed) {
    REQUIRE_PROGRAM("nft");
    const ClientServer net(false);
    const TcpServer service(net.server, {"::", 3000});
    const auto shielded = run({"nft", "-f", "-"}, {.netns = &net.server, .input = kRules});
    if (shielded.status != 0) GTEST_SKIP() << "nft has no synproxy here: " << shielded.err;
    net.server.sysctl("net/netfilter/nf_conntrack_tcp_loose", "0");
    std::vector<bool> served; // by SYNPROXY alone: it does not do IPv6 on every kernel
    for (const bool ipv6 : {false, true})
        if (ask(net.client, {ClientServer::server_address(ipv6), 3000}, Transport::kTcp,
                {.timeout = 1s}) == "hello")
            served.push_back(ipv6);
    if (served.empty()) GTEST_SKIP() << "SYNPROXY serves no client here";
    for (const bool exclusive : {false, true}) {
        ASSERT_TRUE(works(net.server,
                          attach(std::string("eth0 80:3000") + (exclusive ? " --exclusive" : ""))));
        for (const bool ipv6 : served) {
            SCOPED_TRACE(testing::Message() << (ipv6 ? "v6 " : "v4 ") << exclusive);
            const Endpoint server{ClientServer::server_address(ipv6), 80};
            for (int round = 0; round < 3; ++round) {
                auto client = TcpClient::connect(net.client, server, {.timeout = 3s});
                ASSERT_TRUE(client) << client.error().message;
                for (int message = 0; message < 3; ++message) EXPECT_TRUE(alive(*client));
            }
        }
        ASSERT_TRUE(works(net.server, "detach eth0"));
    }
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// A client of this host that goes straight to the target with a port that a redirected connection
// had before: of that, nothing is left.
TEST_P(Synproxy, ALocalClientIsDirectAllTheSame) {
    const ClientServer net;
    const TcpServer closing(net.server, {"::", 3000}, {.closes = true});
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000")));
    for (const bool ipv6 : {false, true}) {
        const Address here = ClientServer::server_address(ipv6);
        const SocketOptions source{.source = Endpoint{here, 4567}, .timeout = 3s};
        for (const std::uint16_t port : {80, 3000, 80, 3000}) {
            ::usleep(20000); // TIME_WAIT gives way to a SYN with a later time stamp
            EXPECT_EQ(ask(net.server, {here, port}, Transport::kTcp, source), "hello") << port;
        }
    }
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

} // namespace
} // namespace bpfport::test
