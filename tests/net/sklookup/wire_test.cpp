// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What surrounds a steered connection: firewalls, SYN cookies, TIME_WAIT; and datagrams.
#include <gmock/gmock.h>

#include <sys/socket.h>

#include "net/sklookup/sklookup.hpp"

namespace bpfport::test {
namespace {

using testing::HasSubstr;
using Sklookup = SklookupTest;

// Default deny, port 80 allowed: right for sklookup, which leaves packets alone; under tc the
// firewall sees the target port.
TEST_F(Sklookup, FirewallThatAllowsOnlyTheListenPort) {
    REQUIRE_PROGRAM("nft");
    auto ruled = run({"nft", "-f", "-"}, {.netns = &server(), .input = R"(
table inet f {
    chain in {
        type filter hook input priority 0; policy drop;
        iif lo accept
        ct state established accept
        meta l4proto ipv6-icmp accept
        tcp dport 80 accept
    }
})"});
    if (ruled.status != 0) GTEST_SKIP() << "nft: " << ruled.err;
    TcpServer program(server(), {"::", 3000});
    attach("sklookup");
    EXPECT_EQ(try_echo(false), "");
    EXPECT_EQ(try_echo(true), "");
    attach("tc");
    auto blocked =
        TcpClient::connect(client(), {"10.1.0.2", 80}, {.timeout = std::chrono::milliseconds(600)});
    EXPECT_FALSE(blocked) << "under tc the target port has to be allowed";
    EXPECT_THAT(try_echo(server(), {"127.0.0.1", 80}), "");
}

TEST_F(Sklookup, SynCookies) {
    server().sysctl("net/ipv4/tcp_syncookies", "2");
    attach("sklookup");
    TcpServer program(server(), {"::", 3000});
    EXPECT_EQ(try_echo(false), "");
    EXPECT_EQ(try_echo(true), "");
    EXPECT_EQ(rule_status().at("connections"), 2);
    for (const auto& seen : program.seen()) EXPECT_EQ(seen.local.port, 3000);
}

// The server closes first, so the tuple waits on its side when the client uses its port again.
TEST_F(Sklookup, TimeWaitIsReused) {
    attach("sklookup");
    for (bool ipv6 : {false, true}) {
        const auto any = Endpoint{ipv6 ? "::" : "0.0.0.0", 3000};
        auto listener = open_socket(server(), ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM,
                                    {.source = any, .v6only = ipv6});
        ASSERT_TRUE(listener) << listener.error().message;
        ASSERT_EQ(::listen(listener->get(), 8), 0);
        const Endpoint source{ClientServer::client_address(ipv6), 40123};
        for (int round = 0; round < 3; round++) {
            auto connection = TcpClient::connect(client(), {ClientServer::server_address(ipv6), 80},
                                                 {.source = source});
            ASSERT_TRUE(connection) << round << ": " << connection.error().message;
            Fd accepted(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
            ASSERT_TRUE(accepted);
            EXPECT_EQ(local_endpoint(accepted).port, 3000);
            EXPECT_EQ(connections_on(80), 1U);
            ::shutdown(accepted.get(), SHUT_WR);
            auto end = connection->receive(1);
            EXPECT_TRUE(!end || end->empty());
        }
    }
}

std::string try_datagram(const Netns& from, const Endpoint& to, std::size_t size = 5) {
    auto socket = UdpClient::connect(from, to, {.timeout = std::chrono::seconds(2)});
    if (!socket) return socket.error().message;
    const std::string message(size, 'u');
    auto answer = socket->echo(message);
    if (!answer) return answer.error().message;
    return answer->data == message ? "" : "another answer";
}

// Connected clients take answers from the port they asked only. 8000 bytes come in fragments.
TEST_F(Sklookup, Datagrams) {
    run_bpfport({"attach", "any", "53:5300/udp", "--engine", "sklookup"});
    EXPECT_THAT(try_datagram(client(), {"10.1.0.2", 53}), HasSubstr("refused"));
    for (int restart = 0; restart < 2; restart++) {
        UdpServer late(server(), {"::", 5300});
        for (bool ipv6 : {false, true}) {
            const Endpoint at{ClientServer::server_address(ipv6), 53};
            EXPECT_EQ(try_datagram(client(), at), "");
            EXPECT_EQ(try_datagram(client(), at, 8000), "");
            EXPECT_EQ(try_datagram(server(), at), "") << "a local client";
            EXPECT_EQ(try_datagram(client(), {at.address, 5300}), "") << "a direct client";
            EXPECT_EQ(try_datagram(client(), at), "");
        }
        EXPECT_EQ(try_datagram(server(), {"127.0.0.1", 53}), "");
    }
    EXPECT_THAT(try_datagram(client(), {"10.1.0.2", 53}), HasSubstr("refused"));
    EXPECT_EQ(rule_status().at("engine"), "sklookup");
    EXPECT_GT(rule_status().at("connections"), 0);
}

TEST_F(Sklookup, DatagramsToAServerThatWasThere) {
    UdpServer program(server(), {"10.1.0.2", 5300});
    run_bpfport({"attach", "eth0", "53:5300/udp", "--engine", "sklookup"});
    EXPECT_EQ(try_datagram(client(), {"10.1.0.2", 53}), "");
    // The same client, from the same port, to both: the older port is answered.
    auto socket = UdpClient::open(client(), false, {.timeout = std::chrono::milliseconds(300)});
    ASSERT_TRUE(socket);
    for (std::uint16_t port : {53, 5300, 53}) {
        ASSERT_TRUE(socket->send_to({"10.1.0.2", port}, "x"));
        EXPECT_EQ(socket->receive().value_or(Datagram{}).from.port, port == 53 ? 53 : 0);
    }
}

} // namespace
} // namespace bpfport::test
