// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// With rules that sklookup serves the tc programs of auto leave packets unparsed, until the first listener
// that sk_lookup can't select. Where no rule needs them they are not loaded.
#include <gmock/gmock.h>

#include "net/sklookup/sklookup.hpp"

namespace bpfport::test {
namespace {

class UnusedTc : public SklookupTest, public testing::WithParamInterface<bool> {
  protected:
    Result<TcpClient> connect(std::uint16_t port, std::uint16_t source_port = 0) {
        const Address from = ClientServer::client_address(GetParam());
        return TcpClient::connect(client(), {ClientServer::server_address(GetParam()), port},
                                  {.source = Endpoint{from, source_port}});
    }
    static std::string talk(Result<TcpClient>& connection) {
        if (!connection) return connection.error().message;
        auto answer = connection->echo("hello");
        return answer ? *answer : answer.error().message;
    }
};
INSTANTIATE_TEST_SUITE_P(, UnusedTc, testing::Bool(),
                         [](const auto& each) { return each.param ? "V6" : "V4"; });

// Connections older than the first one that tc redirects go on as they are, and their tuples stay theirs.
TEST_P(UnusedTc, OlderConnectionsGoOnWhenItIsNeeded) {
    if (!open_socket(server(), AF_INET, SOCK_STREAM, {.mptcp = true}))
        GTEST_SKIP() << "the kernel has no Multipath TCP";
    attach("auto", {"any", "80:3000", "81:4000", "82:4001"});
    const TcpServer plain(server(), {"::", 3000}), other(server(), {"::", 4001});
    auto steered = connect(80), direct = connect(3000, 40001), beside = connect(4001, 40002);
    ASSERT_EQ(talk(steered), "hello");
    ASSERT_EQ(talk(direct), "hello");
    ASSERT_EQ(talk(beside), "hello");

    const TcpServer multipath(server(), {"::", 4000}, {.mptcp = true});
    auto redirected = connect(81);
    EXPECT_EQ(talk(redirected), "hello");
    EXPECT_EQ(connections_on(4000), 1U) << "by tc";
    auto later = connect(80, 40001), direct_later = connect(4000, 40003);
    for (auto* connection : {&steered, &direct, &beside, &later, &direct_later, &redirected})
        EXPECT_EQ(talk(*connection), "hello");
    EXPECT_EQ(connections_on(80), 2U) << "still steered";
}

TEST_F(SklookupTest, TcIsLoadedByTheFirstRuleThatNeedsIt) {
    TcpServer program(server(), {"::", 3000});
    attach("sklookup");
    EXPECT_EQ(status().at("path"), "none");
    EXPECT_THAT(run_bpfport({"status"}), testing::HasSubstr("tc: not loaded"));
    EXPECT_THAT(run_bpfport({"trace", "eth0", "--packet", "tcp 10.1.0.9:40000 > 10.1.0.2:80 S"}),
                testing::AllOf(testing::HasSubstr("80:3000 on any"),
                               testing::HasSubstr("verdict   goes on"),
                               testing::HasSubstr("unchanged")));
    EXPECT_EQ(try_echo(false), "");
    run_bpfport({"attach", "any", "81:3000", "--engine", "tc"});
    EXPECT_NE(status().at("path"), "none");
    EXPECT_EQ(try_echo(false, 81), "");
    EXPECT_EQ(try_echo(true), "");
}

} // namespace
} // namespace bpfport::test
