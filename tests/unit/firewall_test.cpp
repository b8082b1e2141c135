// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Firewalls: real listings of nft and iptables-save, and the verdict on a packet.
#include "firewall/firewall.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "firewall/nft_text.hpp"
#include "unit/firewall_listings.hpp"

namespace bpfport {
namespace {

struct Case {
    const char* what;
    Arrival arrival;
    FirewallVerdict verdict;
    const char* why; // a part of it
};

void expect_all(const Firewall& firewall, const std::vector<Case>& cases) {
    for (const auto& one : cases) {
        SCOPED_TRACE(one.what);
        Judgement judgement = judge(firewall, one.arrival);
        EXPECT_EQ(judgement.verdict, one.verdict) << judgement.why;
        EXPECT_NE(judgement.why.find(one.why), std::string::npos) << judgement.why;
    }
}

TEST(Firewall, Nft) {
    auto firewall = parse_nft(kNft);
    ASSERT_TRUE(firewall) << firewall.error().message;
    expect_all(
        *firewall,
        {{"in a named set", {Protocol::kTcp, 443, "eth0", false}, FirewallVerdict::kPasses, ""},
         {"in its range", {Protocol::kTcp, 8005, "eth0", true}, FirewallVerdict::kPasses, ""},
         {"not in it",
          {Protocol::kTcp, 3000, "eth0", false},
          FirewallVerdict::kDropped,
          "inet filter input: policy drop"},
         {"on lo", {Protocol::kTcp, 3000, "lo", false}, FirewallVerdict::kPasses, ""},
         {"other protocol",
          {Protocol::kUdp, 80, "eth0", false},
          FirewallVerdict::kDropped,
          "policy drop"},
         {"for some clients",
          {Protocol::kUdp, 53, "eth0", false},
          FirewallVerdict::kCantTell,
          "ip saddr 10.0.0.0/8"},
         {"those are IPv4",
          {Protocol::kUdp, 53, "eth0", true},
          FirewallVerdict::kDropped,
          "policy drop"}});
    EXPECT_EQ(nats(*firewall, {Protocol::kTcp, 80, "eth0", false}),
              std::vector<NatRule>{{"ip nat pre: tcp dport 80 redirect port 8080"}});
    EXPECT_TRUE(nats(*firewall, {Protocol::kTcp, 80, "eth0", true}).empty());
    EXPECT_TRUE(nats(*firewall, {Protocol::kTcp, 81, "eth0", false}).empty());
}

TEST(Firewall, Iptables) {
    auto firewall = parse_iptables_save(kIptables, false);
    expect_all(
        firewall,
        {{"multiport in a chain",
          {Protocol::kTcp, 8010, "eth0", false},
          FirewallVerdict::kPasses,
          ""},
         {"a quoted comment", {Protocol::kTcp, 22, "eth0", false}, FirewallVerdict::kPasses, ""},
         {"nobody's",
          {Protocol::kTcp, 3000, "eth0", false},
          FirewallVerdict::kDropped,
          "ip filter INPUT: policy drop"},
         {"on lo", {Protocol::kTcp, 3000, "lo", false}, FirewallVerdict::kPasses, ""},
         {"for some clients",
          {Protocol::kUdp, 53, "eth0", false},
          FirewallVerdict::kCantTell,
          "-s 10.0.0.0/8"},
         {"at some rate",
          {Protocol::kTcp, 9000, "eth0", false},
          FirewallVerdict::kCantTell,
          "--limit"},
         {"not IPv6's", {Protocol::kTcp, 3000, "eth0", true}, FirewallVerdict::kPasses, ""}});
    EXPECT_EQ(nats(firewall, {Protocol::kTcp, 8081, "eth0", false}).size(), 1U);
    EXPECT_TRUE(nats(firewall, {Protocol::kTcp, 8081, "docker0", false}).empty());
}

TEST(Firewall, ExplicitDropAndRejectOfThePort) {
    auto firewall = parse_iptables_save("*filter\n:INPUT ACCEPT [0:0]\n"
                                        "-A INPUT -p tcp -m tcp --dport 3000 -j REJECT\nCOMMIT\n",
                                        true);
    expect_all(firewall,
               {{"it",
                 {Protocol::kTcp, 3000, "eth0", true},
                 FirewallVerdict::kDropped,
                 "--dport 3000 -j REJECT"},
                {"not it", {Protocol::kTcp, 80, "eth0", true}, FirewallVerdict::kPasses, ""}});
}

// An input chain with these rules, which drops what they do not accept.
std::string nft_input(std::string_view expressions, std::string_view objects = "") {
    return fmt::format(R"({{"nftables": [{}
        {{"chain": {{"family": "ip", "table": "f", "name": "input", "type": "filter",
                   "hook": "input", "prio": 0.5e300, "policy": "drop"}}}},
        {{"rule": {{"family": "ip", "table": "f", "chain": "input", "expr": [{}]}}}}]}})",
                       objects, expressions);
}

// What no nft prints; each was found by fuzzing or on the way to it.
TEST(Firewall, NftOfAnotherShape) {
    constexpr std::string_view kPort =
        R"({{"match": {{"op": "==", "left": {{"payload": {{"protocol": "tcp", "field": "dport"}}}},
            "right": {}}}}}, {{"accept": null}})";
    const Arrival web{Protocol::kTcp, 80, "eth0", false};
    // 65616 is not 80, nor is a number that is no port a reason to be sure of anything.
    for (const char* value : {"65616", "-65456", "80.5", R"({"range": [90, 70]})",
                              R"({"range": [0, 65616]})", R"({"range": {"a": 1, "b": 2}})"}) {
        auto firewall = parse_nft(nft_input(fmt::format(kPort, value)));
        if (!firewall) continue; // no listing at all: as good an answer
        EXPECT_EQ(judge(*firewall, web).verdict, FirewallVerdict::kCantTell) << value;
    }
    // A set that names itself.
    auto itself = parse_nft(
        nft_input(fmt::format(kPort, R"("@s")"),
                  R"({"set": {"family": "ip", "table": "f", "name": "s", "elem": "@s"}},)"));
    ASSERT_TRUE(itself);
    EXPECT_EQ(judge(*itself, web).verdict, FirewallVerdict::kCantTell);
    // A map with a verdict that is none.
    auto empty = parse_nft(nft_input(
        R"({"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["new", {}]]}}})"));
    ASSERT_TRUE(empty);
    EXPECT_EQ(judge(*empty, web).verdict, FirewallVerdict::kDropped);
}

// Chains that each jump eight times to the next: 8^14 ways, and as many as there are chains to look
// at.
TEST(Firewall, ManyWaysAreNotWalkedOneByOne) {
    std::string text = "*filter\n:INPUT ACCEPT\n";
    for (int i = 0; i <= 14; i++) text += fmt::format(":c{} -\n", i);
    text += "-A INPUT -j c0\n";
    for (int i = 0; i < 14; i++)
        for (int n = 0; n < 8; n++) text += fmt::format("-A c{} -j c{}\n", i, i + 1);
    const Arrival web{Protocol::kTcp, 80, "eth0", false};
    EXPECT_EQ(judge(parse_iptables_save(text, false), web).verdict, FirewallVerdict::kPasses);
    EXPECT_EQ(judge(parse_iptables_save(text + "-A c14 -j DROP\n", false), web).verdict,
              FirewallVerdict::kDropped);
    EXPECT_EQ(judge(parse_iptables_save(text + "-A c14 -j c0\n", false), web).verdict,
              FirewallVerdict::kCantTell);
}

TEST(Firewall, Prefixes) {
    auto contains = [](const char* prefix, const char* address) {
        return parse_prefix(prefix).value().contains(*parse_address(address));
    };
    EXPECT_TRUE(contains("192.0.2.0/24", "192.0.2.255"));
    EXPECT_FALSE(contains("192.0.2.0/24", "192.0.3.0"));
    EXPECT_TRUE(contains("192.0.2.128/255.255.255.128", "192.0.2.129"));
    EXPECT_FALSE(contains("192.0.2.128/25", "192.0.2.127"));
    EXPECT_TRUE(contains("192.0.2.1", "192.0.2.1"));
    EXPECT_FALSE(contains("192.0.2.1", "192.0.2.2"));
    EXPECT_TRUE(contains("0.0.0.0/0", "203.0.113.9"));
    EXPECT_FALSE(contains("0.0.0.0/0", "2001:db8::1")) << "IPv4 only";
    EXPECT_TRUE(contains("2001:db8::/33", "2001:db8:7fff::1"));
    EXPECT_FALSE(contains("2001:db8::/33", "2001:db8:8000::1"));
    EXPECT_TRUE(contains("::/0", "2001:db8::1"));
    for (const char* text : {"192.0.2.0/24", "0.0.0.0/0", "192.0.2.1", "2001:db8::/33", "::/0"})
        EXPECT_EQ(parse_prefix(text).value().to_string(), text);
    for (const char* wrong : {"", "192.0.2.0/33", "2001:db8::/129", "192.0.2.0/255.0.255.0", "/8",
                              "192.0.2.0/", "192.0.2.0/-1", "192.0.2.0/8x"})
        EXPECT_FALSE(parse_prefix(wrong)) << wrong;
}

// As nft writes them, not as its JSON does.
TEST(Firewall, TextOfNftExpressions) {
    auto text = [](const char* json) { return nft_text(nlohmann::json::parse(json)); };
    EXPECT_EQ(text(R"({"fib": {"result": "type", "flags": ["daddr", "iif"]}})"),
              "fib daddr . iif type");
    EXPECT_EQ(text(R"({"fib": {"result": "type", "flags": "daddr"}})"), "fib daddr type");
    EXPECT_EQ(text(R"({"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, "syn"]})"),
              "tcp flags & syn");
    EXPECT_EQ(text(R"({"concat": [{"payload": {"protocol": "ip", "field": "saddr"}},
                                  {"meta": {"key": "iifname"}}]})"),
              "ip saddr . meta iifname");
    EXPECT_EQ(text(R"({"set": [80, {"range": [8000, 8010]}, {"elem": {"val": 443}}]})"),
              "{ 80, 8000-8010, 443 }");
    EXPECT_EQ(text(R"({"prefix": {"addr": "10.0.0.0", "len": 8}})"), "10.0.0.0/8");
    EXPECT_EQ(text(R"({"tcp option": {"name": "maxseg", "field": "size"}})"),
              "tcp option maxseg size");
    EXPECT_EQ(text(R"({"payload": {"base": "th", "offset": 16, "len": 16}})"), "@th,16,16");
    EXPECT_EQ(text(R"({"numgen": {"mode": "inc", "mod": 2}})"), "numgen");
}

TEST(Firewall, NoListing) {
    for (const char* text : {"", "{}", "[1]", "{\"nftables\": 1}", "table inet filter {"})
        EXPECT_FALSE(parse_nft(text)) << text;
    EXPECT_TRUE(parse_nft(R"({"nftables": []})").value().empty());
    EXPECT_TRUE(parse_iptables_save("", false).empty());
}

} // namespace
} // namespace bpfport
