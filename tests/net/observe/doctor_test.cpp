// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport doctor on hosts with one thing wrong each: it finds that, says what to do, and its exit
// status tells whether service breaks.
#include <algorithm>
#include <optional>

#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

class Doctor : public NetTest {};

struct Examination {
    int status = 0;
    nlohmann::json findings;

    // The severity of the first finding that says this; empty: nobody says it.
    [[nodiscard]] std::string severity_of(const std::string& text) const {
        for (const auto& one : findings)
            if (one["text"].get<std::string>().find(text) != std::string::npos)
                return one["severity"];
        return "";
    }
    [[nodiscard]] std::string remedy_of(const std::string& text) const {
        for (const auto& one : findings)
            if (one["text"].get<std::string>().find(text) != std::string::npos)
                return one["remedy"];
        return "";
    }
};

Examination examine(const Netns& netns, std::vector<std::string> words = {}) {
    words.insert(words.begin(), {"doctor", "--json"});
    auto result = bpfport(netns, words);
    Examination examination{result.status, nlohmann::json::parse(result.out, nullptr, false)};
    EXPECT_TRUE(examination.findings.is_array()) << result.out << result.err;
    return examination;
}

// One nft command in a namespace.
void nft(const Netns& netns, const std::string& words) {
    auto result = run({"nft", words}, {.netns = &netns});
    ASSERT_EQ(result.status, 0) << result.err;
}

TEST_F(Doctor, AHealthyHost) {
    const ClientServer net;
    const Service service(net.server, 3000);
    net.server.sysctl("net/ipv4/ip_local_port_range", "32768 60999");
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/tcp+udp"));
    auto found = examine(net.server);
    EXPECT_EQ(found.status, 0) << found.findings.dump(2);
    EXPECT_EQ(found.severity_of("runs tc programs"), "ok");
    EXPECT_EQ(found.severity_of("driver veth"), "ok");
    for (const auto& one : found.findings) EXPECT_NE(one["severity"], "broken") << one;
    EXPECT_EQ(examine(net.client).severity_of("nothing is attached"), "note");
}

TEST_F(Doctor, TargetsThatNobodyReaches) {
    const ClientServer net;
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 81:3001 82:3002"));
    const TcpServer on_loopback(net.server, {"127.0.0.1", 3001});
    const TcpServer on_v4(net.server, {"0.0.0.0", 3002});
    auto found = examine(net.server);
    EXPECT_EQ(found.status, 1);
    EXPECT_EQ(found.severity_of("no program listens on tcp port 3000: clients are refused"),
              "broken");
    EXPECT_EQ(found.severity_of("127.0.0.1:3001, where only clients on this host"), "broken");
    EXPECT_THAT(found.remedy_of("127.0.0.1:3001"), HasSubstr("0.0.0.0"));
    EXPECT_EQ(found.severity_of("no program listens on tcp port 3002 for IPv6"), "note");
    // Its word is true.
    EXPECT_EQ(ask(net.client, {"10.1.0.2", 81}, Transport::kTcp), "refused");
    EXPECT_EQ(ask(net.client, {"10.1.0.2", 82}, Transport::kTcp), "hello");
}

TEST_F(Doctor, AnotherTargetOfThePortServes) {
    const ClientServer net;
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000*1,4000*1 --on-absent next"));
    EXPECT_EQ(examine(net.server).severity_of("tcp port 3000: clients are refused"), "broken");
    const Service service(net.server, 4000);
    auto found = examine(net.server);
    EXPECT_EQ(found.severity_of("tcp port 3000: clients get another target"), "warning");
    EXPECT_EQ(found.severity_of("no program listens on tcp port 4000"), "");
}

TEST_F(Doctor, AFirewallThatAcceptsTheListenPortOnly) {
    REQUIRE_PROGRAM("nft");
    const ClientServer net;
    const Service service(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000"));
    nft(net.server,
        "add table inet filter; "
        "add chain inet filter input { type filter hook input priority 0; policy drop; }; "
        "add rule inet filter input ct state established,related accept; "
        "add rule inet filter input iifname lo accept; "
        "add rule inet filter input meta l4proto ipv6-icmp accept; "
        "add rule inet filter input tcp dport { 22, 80 } accept");
    auto found = examine(net.server);
    EXPECT_EQ(found.status, 1);
    auto text = "the firewall drops tcp port 3000 on eth0 (inet filter input: policy drop); it "
                "accepts 80";
    EXPECT_EQ(found.severity_of(text), "broken") << found.findings.dump(2);
    EXPECT_THAT(found.remedy_of(text), HasSubstr("nft insert rule inet filter input tcp dport 3000 "
                                                 "accept"));
    EXPECT_EQ(ask(net.client, {"10.1.0.2", 80}, Transport::kTcp, kSilence), "silent");
    // sklookup leaves the packet as the firewall accepts it.
    if (kernel_at_least(5, 17)) {
        ASSERT_TRUE(works(net.server, "attach eth0 80:3000 --engine sklookup"));
        EXPECT_EQ(examine(net.server).severity_of("the firewall drops"), "");
        EXPECT_EQ(ask(net.client, {"10.1.0.2", 80}, Transport::kTcp), "hello");
        ASSERT_TRUE(works(net.server, "attach eth0 80:3000 --engine tc"));
        EXPECT_EQ(examine(net.server).severity_of(text), "broken");
    }
    // The remedy as it is printed.
    auto remedy = found.remedy_of(text);
    nft(net.server, remedy.substr(remedy.find("insert")));
    EXPECT_EQ(examine(net.server).severity_of("the firewall drops"), "");
    EXPECT_EQ(ask(net.client, {"10.1.0.2", 80}, Transport::kTcp), "hello");
}

TEST_F(Doctor, ListenersThatCannotBeSteeredTo) {
    REQUIRE_KERNEL(5, 17);
    const ClientServer net;
    if (!open_socket(net.server, AF_INET, SOCK_STREAM, {.mptcp = true}))
        GTEST_SKIP() << "the kernel has no Multipath TCP";
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 --engine sklookup"));
    const TcpServer late(net.server, {"::", 3000}, {.mptcp = true});
    EXPECT_EQ(examine(net.server).severity_of("uses Multipath TCP, which can't be steered to"),
              "broken");
    EXPECT_EQ(ask(net.client, {"10.1.0.2", 80}, Transport::kTcp), "refused");
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 --engine auto"));
    const auto found = examine(net.server);
    EXPECT_EQ(found.severity_of("tc serves it in place of sklookup"), "note");
    EXPECT_EQ(found.status, 0) << found.findings.dump(2);
    EXPECT_EQ(ask(net.client, {"10.1.0.2", 80}, Transport::kTcp), "hello");
}

TEST_F(Doctor, OtherRedirectsOfThePort) {
    REQUIRE_PROGRAM("iptables-nft");
    const ClientServer net;
    const Service service(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000"));
    auto added = run({"iptables-nft", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "80",
                      "-j", "REDIRECT", "--to-ports", "8080"},
                     {.netns = &net.server});
    if (added.status != 0) GTEST_SKIP() << "iptables-nft can't add a NAT rule here: " << added.err;
    auto found = examine(net.server);
    EXPECT_EQ(found.severity_of("NAT redirects port 80, but this rule comes first"), "warning")
        << found.findings.dump(2);
    EXPECT_EQ(found.status, 0);
    EXPECT_EQ(ask(net.client, {"10.1.0.2", 80}, Transport::kTcp), "hello");
}

TEST_F(Doctor, HooksThatAreGone) {
    REQUIRE_KERNEL(6, 6);
    const ClientServer net;
    const Service service(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach --hook clsact eth0 80:3000"));
    net.server.ip("link show eth0");
    ASSERT_EQ(
        run({"tc", "-n", net.server.name(), "filter", "del", "dev", "eth0", "ingress"}).status, 0);
    auto found = examine(net.server);
    EXPECT_EQ(found.status, 1);
    EXPECT_EQ(found.severity_of("our program on the way in is gone"), "broken");
}

TEST_F(Doctor, ProbeSaysWhichPathItTested) {
    REQUIRE_KERNEL(5, 18); // frames can be put into the receive path
    const ClientServer net;
    const Service service(net.server, 3000);
    net.server.ip("route add default via 10.1.0.1");
    net.server.ip("-6 route add default via fd01::1");
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/tcp+udp 81:4000"));
    ASSERT_EQ(ask(net.server, {"10.1.0.1", 9}, Transport::kTcp),
              "refused"); // the neighbour is known
    auto found = examine(net.server, {"--probe"});
    EXPECT_EQ(found.severity_of("probe eth0 (frame injected behind the driver): SYN answered with "
                                "SYN-ACK from port 80"),
              "ok")
        << found.findings.dump(2);
    EXPECT_EQ(found.severity_of("probe eth0 (frame injected behind the driver): refused"),
              "broken");
    EXPECT_EQ(found.severity_of("probe lo (a client on this host, to 10.1.0.2): connected"), "ok");
    EXPECT_EQ(found.severity_of("an empty datagram was answered"), "ok"); // by an echo
    EXPECT_EQ(found.status, 1);
    // The half-open connection is gone, and the server saw at most the one from lo.
    EXPECT_LE(service.tcp.seen().size(), 1U);
    EXPECT_THAT(run({"ss", "-tanH", "state", "syn-recv"}, {.netns = &net.server}).out,
                testing::IsEmpty());
}

// Of a rule for some clients the probe is one of them, or says that it can't be.
TEST_F(Doctor, ProbeIsAClientOfTheRule) {
    REQUIRE_KERNEL(5, 18);
    const ClientServer net;
    const Service service(net.server, 3000);
    net.server.ip("route add default via 10.1.0.1");
    ASSERT_EQ(ask(net.server, {"10.1.0.1", 9}, Transport::kTcp),
              "refused"); // the neighbour is known
    // The last two are probed from 10.1.0.254, which does not answer for itself.
    const std::pair<const char*, const char*> cases[] = {
        {"203.0.113.0/24", "SYN answered with SYN-ACK from port 80"},
        {"10.1.0.0/24", "the listener on 3000 took the SYN"},
        {"0.0.0.0/0,-192.0.2.0/24", "the listener on 3000 took the SYN"}};
    for (const auto& [clients, text] : cases) {
        ASSERT_TRUE(works(net.server, std::string("attach eth0 80:3000@") + clients));
        auto found = examine(net.server, {"--probe"});
        EXPECT_EQ(found.severity_of(text), "ok") << clients << "\n" << found.findings.dump(2);
        EXPECT_EQ(found.status, 0);
        ASSERT_TRUE(works(net.server, "detach --all"));
    }
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000@203.0.113.7,10.1.0.1"));
    auto found = examine(net.server, {"--probe"});
    EXPECT_EQ(found.severity_of("probe eth0: not tested: the rule is for none of"), "note")
        << found.findings.dump(2);
    EXPECT_EQ(found.severity_of("probe lo"), "") << "10.1.0.2 is no client of it";
    EXPECT_EQ(found.status, 0);
}

// The made-up client has no next hop, so its SYN-ACK never leaves; a healthy rule stays one, however
// often and under whatever engine it is asked.
TEST_F(Doctor, ProbeOfAHostWithoutADefaultRoute) {
    REQUIRE_KERNEL(5, 18);
    const ClientServer net;
    const Service service(net.server, 3000);
    for (const char* engine : {"tc", "sklookup", "xdp"}) {
        ASSERT_TRUE(works(net.server, std::string("attach eth0 80:3000 --engine ") + engine));
        for (int round = 0; round < 4; ++round) {
            auto found = examine(net.server, {"--probe"});
            EXPECT_EQ(found.severity_of("the listener on 3000 took the SYN"), "ok")
                << engine << ", round " << round << "\n"
                << found.findings.dump(2);
            EXPECT_EQ(found.status, 0);
        }
    }
    // With cookies alone nothing is left to see: then it says so, and not that the rule is broken.
    net.server.sysctl("net/ipv4/tcp_syncookies", "2");
    auto found = examine(net.server, {"--probe"});
    EXPECT_EQ(found.severity_of("can't tell: no answer to a SYN"), "note")
        << found.findings.dump(2);
    EXPECT_EQ(found.status, 0);
}

TEST_F(Doctor, ProbeMeetsTheFirewall) {
    REQUIRE_KERNEL(5, 18);
    REQUIRE_PROGRAM("nft");
    const ClientServer net;
    const Service service(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000"));
    nft(net.server, "add table inet f; add chain inet f i { type filter hook input priority 0; }; "
                    "add rule inet f i iifname eth0 tcp dport 3000 drop");
    auto found = examine(net.server, {"--probe"});
    EXPECT_EQ(
        found.severity_of("probe eth0 (frame injected behind the driver): no answer to a SYN"),
        "broken")
        << found.findings.dump(2);
    EXPECT_EQ(found.severity_of("probe lo (a client on this host, to 10.1.0.2): connected"), "ok");
}

} // namespace
} // namespace bpfport::test
