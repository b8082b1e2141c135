// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// NAT in real listings of nft and iptables-save: which rules take a port, and where they send it.
#include "firewall/nat.hpp"

#include <gtest/gtest.h>

#include "unit/firewall_listings.hpp"

namespace bpfport {
namespace {

// Where NAT sends packets, as far as it is one place.
TEST(Firewall, NatTargets) {
    const std::string head = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 80 -j ";
    const auto target = [&](const std::string& tail) {
        auto firewall = parse_iptables_save(head + tail + "\nCOMMIT\n", false);
        return nats(firewall, {Protocol::kTcp, 80, "eth0", false}).at(0).to;
    };
    EXPECT_EQ(target("REDIRECT --to-ports 3000"), (NatTarget{true, {}}));
    EXPECT_EQ(target("DNAT --to-destination 10.1.0.2"),
              (NatTarget{false, parse_address("10.1.0.2")}));
    EXPECT_EQ(target("DNAT --to-destination 10.1.0.2:8080"),
              (NatTarget{false, parse_address("10.1.0.2")}));
    EXPECT_EQ(target("DNAT --to-destination [fd01::2]:8080"),
              (NatTarget{false, parse_address("fd01::2")}));
    EXPECT_EQ(target("DNAT --to-destination fd01::2"),
              (NatTarget{false, parse_address("fd01::2")}));
    EXPECT_EQ(target("DNAT --to-destination 10.1.0.2-10.1.0.9:80"), NatTarget{});
    auto nft = parse_nft(kNft);
    ASSERT_TRUE(nft);
    EXPECT_TRUE(nats(*nft, {Protocol::kTcp, 80, "eth0", false}).at(0).to.this_host);
}

TEST(Firewall, NatIsFoundWhereAPacketMayComeToIt) {
    constexpr std::string_view kNat = R"(*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:SVC - [0:0]
:SEP - [0:0]
:HOST - [0:0]
-A PREROUTING -d 10.43.0.0/16 -j SVC
-A PREROUTING -m addrtype --dst-type LOCAL -j HOST
-A OUTPUT -o eth0 -p tcp -m tcp --dport 82 -j REDIRECT --to-ports 8082
-A OUTPUT -o lo -p tcp -m tcp --dport 83 -j REDIRECT --to-ports 8083
-A SVC -p tcp -m tcp --dport 80 -j SEP
-A SEP -p tcp -m tcp -j DNAT --to-destination 10.42.0.5:8080
-A HOST -s 192.0.2.0/24 -p tcp -m tcp --dport 81 -j DNAT --to-destination 10.42.0.6:8080
-A HOST -d 10.1.0.2/32 -p tcp -m tcp --dport 84 -j DNAT --to-destination 10.42.0.6:8080
COMMIT
)";
    auto firewall = parse_iptables_save(kNat, false);
    const std::vector<Address> own{*parse_address("10.1.0.2"), *parse_address("10.1.0.3")};
    auto found = [&](std::uint16_t port, const char* interface) {
        return nats(firewall, {Protocol::kTcp, port, interface, false, own});
    };
    EXPECT_TRUE(found(80, "eth0").empty()) << "not this host's address";
    ASSERT_EQ(found(81, "eth0").size(), 1U);
    EXPECT_FALSE(found(81, "eth0")[0].certain) << "some clients only";
    EXPECT_TRUE(found(82, "").empty()) << "what leaves this host";
    ASSERT_EQ(found(83, "").size(), 1U);
    EXPECT_TRUE(found(83, "")[0].certain);
    EXPECT_TRUE(found(83, "eth0").empty()) << "packets from eth0 pass no output chain";
    ASSERT_EQ(found(84, "eth0").size(), 1U);
    EXPECT_TRUE(found(84, "eth0")[0].certain) << "one of the addresses is enough";
    EXPECT_EQ(nats(firewall, {Protocol::kTcp, 80, "eth0", false}).size(), 1U)
        << "addresses that are not known may be any";
}

TEST(Firewall, NatIsCertainWhenEveryClientComesToIt) {
    constexpr std::string_view kNat = R"(*nat
:PREROUTING ACCEPT [0:0]
:SHARED - [0:0]
:SOME - [0:0]
:NONE - [0:0]
-A PREROUTING -m addrtype ! --dst-type LOCAL -p tcp -m tcp --dport 79 -j REDIRECT --to-ports 8079
-A PREROUTING -s 192.0.2.0/24 -p tcp -m tcp --dport 80 -j SHARED
-A PREROUTING -p tcp -m tcp --dport 80 -j SHARED
-A PREROUTING -p tcp -m tcp --dport 81 -j SOME
-A PREROUTING -p tcp -m tcp --dport 82 -j NONE
-A PREROUTING -s 192.0.2.0/24 -p tcp -m tcp --dport 83 -j ACCEPT
-A PREROUTING -p tcp -m tcp --dport 80:83 -j REDIRECT --to-ports 8080
-A SHARED -p tcp -j DNAT --to-destination 10.42.0.5:8080
-A SOME -s 192.0.2.0/24 -j RETURN
-A SOME -p tcp -j DNAT --to-destination 10.42.0.6:8080
-A NONE -i eth0 -j ACCEPT
-A NONE -p tcp -j DNAT --to-destination 10.42.0.7:8080
COMMIT
)";
    const auto firewall = parse_iptables_save(kNat, false);
    const std::string redirect = "ip nat PREROUTING: -p tcp -m tcp --dport 80:83 -j REDIRECT "
                                 "--to-ports 8080";
    auto found = [&](std::uint16_t port) {
        return nats(firewall, {Protocol::kTcp, port, "eth0", false, {*parse_address("10.1.0.2")}});
    };
    EXPECT_TRUE(found(79).empty()) << "for other hosts' addresses";
    const std::string dnat = "-p tcp -j DNAT --to-destination ";
    EXPECT_EQ(found(80),
              (std::vector<NatRule>{{"ip nat SHARED: " + dnat + "10.42.0.5:8080", true}}))
        << "by the second jump";
    EXPECT_EQ(found(81), (std::vector<NatRule>{{"ip nat SOME: " + dnat + "10.42.0.6:8080", false},
                                               {redirect, true}}))
        << "some clients return, to be redirected all the same";
    EXPECT_TRUE(found(82).empty()) << "accepted before";
    EXPECT_EQ(found(83), (std::vector<NatRule>{{redirect, false}})) << "some are accepted before";
}

// kube-proxy's way with nft, and a redirect by a map: what has no entry is left alone.
TEST(Firewall, NatByMapsIsOfTheirKeys) {
    constexpr std::string_view kMaps = R"({"nftables": [
 {"chain": {"family": "ip", "table": "nat", "name": "pre", "type": "nat", "hook": "prerouting"}},
 {"chain": {"family": "ip", "table": "nat", "name": "web"}},
 {"rule": {"family": "ip", "table": "nat", "chain": "pre", "expr": [
   {"vmap": {"key": {"concat": [{"payload": {"protocol": "ip", "field": "daddr"}},
                                {"meta": {"key": "l4proto"}},
                                {"payload": {"protocol": "th", "field": "dport"}}]},
             "data": {"set": [
     [{"concat": ["10.43.0.5", "tcp", 80]}, {"goto": {"target": "web"}}],
     [{"concat": ["10.1.0.2", "tcp", 81]}, {"goto": {"target": "web"}}],
     [{"concat": ["10.1.0.2", "udp", 82]}, {"goto": {"target": "web"}}]]}}}]}},
 {"rule": {"family": "ip", "table": "nat", "chain": "web", "expr": [
   {"dnat": {"addr": "10.42.0.5", "port": 8080}}]}},
 {"rule": {"family": "ip", "table": "nat", "chain": "pre", "expr": [
   {"dnat": {"addr": {"map": {"key": {"payload": {"protocol": "tcp", "field": "dport"}},
                              "data": {"set": [[83, "10.42.0.6"], [84, "10.42.0.7"]]}}}}}]}},
 {"rule": {"family": "ip", "table": "nat", "chain": "pre", "expr": [
   {"match": {"op": "==",
     "left": {"concat": [{"payload": {"protocol": "ip", "field": "daddr"}},
                         {"payload": {"protocol": "tcp", "field": "dport"}}]},
     "right": {"set": [{"concat": ["10.1.0.2", 85]}, {"concat": ["10.1.0.3", 86]}]}}},
   {"redirect": {"port": 8080}}]}}]})";
    const auto firewall = parse_nft(kMaps);
    ASSERT_TRUE(firewall);
    auto found = [&](Protocol protocol, std::uint16_t port) {
        return nats(*firewall, {protocol, port, "eth0", false, {*parse_address("10.1.0.2")}});
    };
    EXPECT_TRUE(found(Protocol::kTcp, 80).empty()) << "of another address";
    EXPECT_EQ(found(Protocol::kTcp, 81),
              (std::vector<NatRule>{{"ip nat web: dnat to 10.42.0.5 port 8080", true}}));
    EXPECT_TRUE(found(Protocol::kTcp, 82).empty()) << "of another protocol";
    EXPECT_EQ(found(Protocol::kTcp, 83),
              (std::vector<NatRule>{{"ip nat pre: dnat to map tcp dport", true}}));
    EXPECT_TRUE(found(Protocol::kUdp, 83).empty());
    ASSERT_EQ(found(Protocol::kTcp, 85).size(), 1U);
    EXPECT_FALSE(found(Protocol::kTcp, 85)[0].certain) << "which parts belong together isn't kept";
    EXPECT_TRUE(found(Protocol::kTcp, 87).empty());
    // The text of one entry, not of all.
    EXPECT_EQ((*firewall)[0].rules[0].text,
              "ip daddr . meta l4proto . th dport vmap { 10.43.0.5 . tcp . 80 : goto web }");
}

} // namespace
} // namespace bpfport
