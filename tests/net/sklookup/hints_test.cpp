// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What connections that tc redirected leave behind, and clients that use their source port again under
// sklookup.
#include <gtest/gtest.h>

#include "net/sklookup/sklookup.hpp"

namespace bpfport::test {
namespace {

// Family, and the engine that served the rule before.
class Hints : public SklookupTest,
              public testing::WithParamInterface<std::tuple<bool, const char*>> {
  protected:
    static bool ipv6() { return std::get<0>(GetParam()); }
    static std::string before() { return std::get<1>(GetParam()); }

    Result<TcpClient> connect(std::uint16_t source_port = 0) {
        const Address from = ClientServer::client_address(ipv6());
        return TcpClient::connect(client(), {ClientServer::server_address(ipv6()), 80},
                                  {.source = Endpoint{from, source_port}});
    }
    // A connection from port 40001 that was, and is no more.
    void leave_a_hint() {
        auto connection = connect(40001);
        ASSERT_TRUE(connection && connection->echo("rewritten"));
        connection->reset();
    }
    // What a steered connection from there says.
    static std::string talk(Result<TcpClient>& connection) {
        if (!connection) return connection.error().message;
        auto answer = connection->echo("hello");
        return answer ? *answer : answer.error().message;
    }
};
INSTANTIATE_TEST_SUITE_P(, Hints, testing::Combine(testing::Bool(), testing::Values("tc", "xdp")),
                         [](const auto& each) {
                             return std::string(std::get<0>(each.param) ? "V6_" : "V4_") +
                                    std::get<1>(each.param);
                         });

// tc goes on with a connection of its own, so it sees the packets of the steered one.
TEST_P(Hints, EndWhenTheirTupleIsSteered) {
    const TcpServer program(server(), {"::", 3000});
    attach(before());
    auto stays = connect();
    ASSERT_EQ(talk(stays), "hello");
    leave_a_hint();
    attach("sklookup");
    auto again = connect(40001);
    EXPECT_EQ(talk(again), "hello");
    EXPECT_EQ(connections_on(80), 1U);
    EXPECT_EQ(talk(stays), "hello");
}

TEST_P(Hints, EndThoughAnotherRuleHasWokenTc) {
    if (!open_socket(server(), AF_INET, SOCK_STREAM, {.mptcp = true}))
        GTEST_SKIP() << "the kernel has no Multipath TCP";
    const TcpServer program(server(), {"::", 3000});
    attach(before());
    auto stays = connect();
    ASSERT_EQ(talk(stays), "hello");
    leave_a_hint();
    attach("auto", {"any", "80:3000", "81:4000"});
    const TcpServer wakes_tc(server(), {"::", 4000}, {.mptcp = true});
    auto again = connect(40001);
    EXPECT_EQ(talk(again), "hello");
    EXPECT_EQ(connections_on(80), 1U);
    EXPECT_EQ(talk(stays), "hello");
}

// A steered connection is left alone when the rule has another engine again.
TEST_P(Hints, AreNotTakenForASteeredConnection) {
    const TcpServer program(server(), {"::", 3000});
    attach(before());
    leave_a_hint();
    attach("sklookup");
    attach("sklookup"); // tc has no connection left: its hooks go
    ASSERT_FALSE(status().contains("hooks"));
    auto steered = connect(40001);
    ASSERT_EQ(talk(steered), "hello");
    attach(before());
    EXPECT_EQ(talk(steered), "hello");
    auto redirected = connect();
    EXPECT_EQ(talk(redirected), "hello");
}

} // namespace
} // namespace bpfport::test
