// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The sklookup engine serves what it is asked to: every kind of listener, from every kind of
// client, and nobody else's.
#include <gmock/gmock.h>

#include "net/sklookup/sklookup.hpp"

namespace bpfport::test {
namespace {

using testing::HasSubstr;

struct ListenerCase {
    const char* name;
    const char* address;
    bool v6only;
    bool v4_served;    // to 10.1.0.2
    bool v6_served;    // to fd01::2
    bool local_served; // to 127.0.0.1, by a local client
};

class Listeners : public SklookupTest, public testing::WithParamInterface<ListenerCase> {
  protected:
    void expect_served() {
        const auto& c = GetParam();
        EXPECT_EQ(try_echo(false).empty(), c.v4_served) << try_echo(false);
        EXPECT_EQ(try_echo(true).empty(), c.v6_served) << try_echo(true);
        EXPECT_EQ(try_echo(server(), {"127.0.0.1", 80}).empty(), c.local_served);
    }
    TcpServer start() {
        return TcpServer(server(), {GetParam().address, 3000}, {.v6only = GetParam().v6only});
    }
};

TEST_P(Listeners, BeforeAttach) {
    TcpServer program = start();
    attach("sklookup");
    expect_served();
}

TEST_P(Listeners, AfterAttach) {
    attach("auto");
    TcpServer program = start();
    expect_served();
    EXPECT_EQ(rule_status().at("engine"), "sklookup");
    EXPECT_EQ(rule_status().at("served_by_tc"), false);
    EXPECT_FALSE(rule_status().contains("packets_in")) << "tc touched none";
    for (const auto& seen : program.seen()) EXPECT_EQ(seen.local.port, 3000);
}

INSTANTIATE_TEST_SUITE_P(
    , Listeners,
    testing::Values(ListenerCase{"V4", "0.0.0.0", false, true, false, true},
                    ListenerCase{"DualStack", "::", false, true, true, true},
                    ListenerCase{"V6Only", "::", true, false, true, false},
                    ListenerCase{"OneAddress", "10.1.0.2", false, true, false, false},
                    ListenerCase{"OneV6Address", "fd01::2", false, false, true, false},
                    ListenerCase{"Loopback", "127.0.0.1", false, false, false, true}),
    [](const auto& each) { return each.param.name; });

using Sklookup = SklookupTest;

TEST_F(Sklookup, V4AndV6OnlySideBySide) {
    attach("sklookup");
    TcpServer v6(server(), {"::", 3000}, {.v6only = true});
    TcpServer v4(server(), {"0.0.0.0", 3000});
    EXPECT_EQ(try_echo(false), "");
    EXPECT_EQ(try_echo(true), "");
    EXPECT_EQ(v4.seen().size(), 1U);
    EXPECT_EQ(v6.seen().size(), 1U);
}

TEST_F(Sklookup, SeveralAddressesOfOneRange) {
    run_bpfport({"attach", "any", "--engine", "sklookup", "10.1.0.2:8000-8002:18000-18002"});
    TcpServer exact(server(), {"10.1.0.2", 18001});
    TcpServer any(server(), {"0.0.0.0", 18002});
    EXPECT_EQ(try_echo(false, 8001), "");
    EXPECT_EQ(try_echo(false, 8002), "");
    EXPECT_THAT(try_echo(false, 8000), HasSubstr("refused"));
    EXPECT_THAT(try_echo(server(), {"127.0.0.1", 8002}), HasSubstr("refused"))
        << "the rule is for one address";
}

TEST_F(Sklookup, LocalClientsTakeTheRuleOfTheirAddress) {
    attach("sklookup", {"eth0", "80:3000"});
    TcpServer program(server(), {"::", 3000});
    for (const char* address : {"10.1.0.2", "fd01::2", "127.0.0.1", "::1"})
        EXPECT_EQ(try_echo(server(), {address, 80}), "") << address;
}

TEST_F(Sklookup, OnlyTheInterfaceOfTheRule) {
    TwoUplinks two;
    auto result = bpfport(two.server, {"attach", "eth0", "80:3000", "--engine", "sklookup"});
    ASSERT_EQ(result.status, 0) << result.err;
    TcpServer program(two.server, {"::", 3000});
    for (bool ipv6 : {false, true}) {
        EXPECT_EQ(try_echo(two.client, {TwoUplinks::first_address(ipv6), 80}), "");
        EXPECT_THAT(try_echo(two.client, {TwoUplinks::second_address(ipv6), 80}),
                    HasSubstr("refused"));
        EXPECT_THAT(try_echo(two.server, {TwoUplinks::second_address(ipv6), 80}),
                    HasSubstr("refused"))
            << "a local client of eth1's address";
    }
    EXPECT_EQ(bpfport(two.server, {"detach", "--all"}).status, 0);
}

TEST_F(Sklookup, AnotherNamespaceIsNeitherServedNorServes) {
    attach("sklookup");
    TcpServer other(client(), {"0.0.0.0", 3000});
    EXPECT_THAT(try_echo(false), HasSubstr("refused")) << "a listener of another namespace";
    EXPECT_THAT(try_echo(client(), {"127.0.0.1", 80}), HasSubstr("refused"));
    TcpServer program(server(), {"0.0.0.0", 3000});
    EXPECT_EQ(try_echo(false), "");
    EXPECT_THAT(try_echo(client(), {"127.0.0.1", 80}), HasSubstr("refused"));
    EXPECT_TRUE(other.seen().empty());
}

TEST_F(Sklookup, NobodyListens) {
    attach("sklookup");
    EXPECT_THAT(try_echo(false), HasSubstr("refused"));
    EXPECT_GT(status().at("outcomes").at("absent_reset"), 0);
    attach("sklookup", {"any", "80:3000", "--on-absent", "pass"});
    TcpServer fallback(server(), {"0.0.0.0", 80});
    EXPECT_EQ(try_echo(false), "");
    {
        TcpServer program(server(), {"0.0.0.0", 3000});
        EXPECT_EQ(try_echo(false), "");
        EXPECT_EQ(program.seen().size(), 1U);
    }
    EXPECT_EQ(try_echo(false), "");
    EXPECT_EQ(fallback.seen().size(), 2U);
}

TEST_F(Sklookup, NoSilentTheft) {
    TcpServer nginx(server(), {"0.0.0.0", 80});
    TcpServer program(server(), {"0.0.0.0", 3000});
    auto refused = bpfport(server(), {"attach", "any", "80:3000", "--engine", "sklookup"});
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err, HasSubstr("port 80 is taken"));
    EXPECT_EQ(try_echo(false), "");
    EXPECT_EQ(nginx.seen().size(), 1U);
    attach("sklookup", {"any", "80:3000", "--force"});
    EXPECT_EQ(try_echo(false), "");
    EXPECT_EQ(program.seen().size(), 1U);
}

struct Refusal {
    std::vector<std::string> words;
    const char* reason;
};

TEST_F(Sklookup, RefusesWhatItCannotServeAndAutoUsesTc) {
    const Refusal refusals[] = {{{"--no-local"}, "--no-local"},
                                {{"--forwarded"}, "--forwarded"},
                                {{"--vlan"}, "--vlan"},
                                {{"--exclusive"}, "--exclusive"},
                                {{"--on-absent", "drop"}, "--on-absent drop"}};
    for (const auto& [words, reason] : refusals) {
        std::vector<std::string> command = {"attach", "any", "80:3000"};
        command.insert(command.end(), words.begin(), words.end());
        auto explained = command;
        explained.emplace_back("--explain");
        EXPECT_THAT(run_bpfport(explained),
                    HasSubstr("engine tc: not sklookup: " + std::string(reason)));
        command.insert(command.end(), {"--engine", "sklookup"});
        auto refused = bpfport(server(), command);
        EXPECT_EQ(refused.status, 1);
        EXPECT_THAT(refused.err, HasSubstr(reason));
        EXPECT_THAT(refused.err, HasSubstr("hint: --engine tc serves it"));
    }
    EXPECT_THAT(run_bpfport({"attach", "any", "80:3000/udp", "--explain"}),
                HasSubstr("engine tc: not sklookup: udp"));
    EXPECT_THAT(run_bpfport({"attach", "any", "80:3000", "--explain"}),
                HasSubstr("engine sklookup: tcp"));
}

TEST_F(Sklookup, BridgePortGoesToTc) {
    add_bridge(server(), "br0", {net_->link.b});
    EXPECT_THAT(run_bpfport({"attach", "eth0", "80:3000", "--explain"}),
                HasSubstr("eth0 is a port of br0"));
}

TEST_F(Sklookup, CountsConnectionsAndNothingElse) {
    attach("auto");
    TcpServer program(server(), {"::", 3000});
    auto first = TcpClient::connect(client(), {"10.1.0.2", 80});
    ASSERT_TRUE(first && first->echo("x"));
    EXPECT_EQ(try_echo(true), "");
    EXPECT_EQ(try_echo(false, 3000), "") << "a direct client, not counted";
    auto rule = rule_status();
    EXPECT_EQ(rule.at("connections"), 2);
    EXPECT_EQ(rule.at("open_connections"), 1);
    EXPECT_FALSE(rule.contains("packets_in")) << "not 0: not known";
    EXPECT_EQ(rule.at("why"), "tcp to a program on this host, tc stands by");
}

} // namespace
} // namespace bpfport::test
