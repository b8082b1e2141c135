// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Many rules on one port: the programs search lists of addresses and of clients.
#include <algorithm>
#include <iterator>
#include <random>
#include <set>

#include "prog/decisions.hpp"
#include "rule/rule.hpp"

namespace bpfport::test {
namespace {

// An address next to this one: `by` 1 or -1.
bpfport::Address beside(bpfport::Address address, int by) {
    for (auto byte = address.bytes.rbegin(); byte != address.bytes.rend(); ++byte) {
        *byte = static_cast<std::uint8_t>(*byte + by);
        if (*byte != (by > 0 ? 0 : 0xff)) break;
    }
    return address;
}

// Both ends of a prefix, and what is beyond them.
std::vector<bpfport::Address> ends_of(const Prefix& prefix) {
    bpfport::Address last = prefix.address;
    for (unsigned bit = prefix.length; bit < Prefix::kBits; ++bit)
        last.bytes[bit / 8] |= static_cast<std::uint8_t>(0x80 >> bit % 8);
    return {prefix.address, last, beside(prefix.address, -1), beside(last, 1)};
}

// Lists that are long enough for an index (BP_SPAN_INDEXED), whose buckets hold none, one or nearly all.
struct Spread {
    const char* name;
    bool ipv6;
    std::vector<std::string> prefixes;
    const char* beyond; // an address behind them all
};

std::vector<Spread> spreads() {
    std::mt19937 random(5);
    const auto draw = [&] { return static_cast<unsigned>(random()); };
    Spread together{"two far from a hundred",
                    false,
                    {"1.0.0.1", "200.0.0.1", "10.0.0.0/24"},
                    "223.255.255.254"};
    Spread apart{
        "anywhere", false, {"100.0.0.0/8", "100.64.0.0/10", "192.0.2.0/24"}, "223.255.255.254"};
    Spread networks{
        "networks", true, {"2001:db8::1", "2001:db8::/64", "2001:db8::/32"}, "2a00:ffff::1"};
    Spread hosts{"hosts of three networks",
                 true,
                 {"2001:db8::", "2001:db8::1", "2001:db8:0:1::1", "2001:db8:1::/66"},
                 "2001:db8:1:0:ffff:ffff:ffff:ffff"};
    hosts.prefixes.emplace_back("2001:db8::ffff:ffff:ffff:ffff");
    Spread nearer{"ever nearer, beyond BP_INDEX_LEVELS", true, {}, "2001:db8::ffff:ffff:ffff:ffff"};
    const auto far = [](unsigned i) { // of 64 bits, this one
        const std::uint64_t low = 1ULL << 4 * i;
        return fmt::format("2001:db8::{:x}:{:x}:{:x}:{:x}", low >> 48, low >> 32 & 0xffff,
                           low >> 16 & 0xffff, low & 0xffff);
    };
    for (unsigned i = 1; i < 16; ++i)
        nearer.prefixes.insert(nearer.prefixes.end(),
                               {fmt::format("2001:db8::{:x}", 2 * i), far(i)});
    for (unsigned i = 0; i < 100; ++i) {
        together.prefixes.push_back(fmt::format("10.0.0.{}", 100 + i));
        apart.prefixes.push_back(fmt::format("{}.{}.{}.{}", 1 + draw() % 99, draw() % 256,
                                             draw() % 256, i % 3 ? "7" : "0/24"));
        networks.prefixes.push_back(fmt::format("2001:db8:{:x}:{:x}{}", draw() % 65536,
                                                1 + draw() % 255, i % 3 ? "::/64" : "00::/56"));
        hosts.prefixes.push_back(
            fmt::format("2001:db8:{:x}::{:x}:{:x}", i % 2, i % 5, draw() % 65536));
    }
    return {together, apart, networks, hosts, nearer};
}

// The programs find in a large set what a small one has: the first, the last and what is between.
TEST_P(Decisions, AnyNumberOfAddressesOnAPort) {
    std::vector<std::string> texts;
    for (unsigned i = 0; i < 250; ++i) {
        texts.push_back(fmt::format("192.0.2.{}:80:{}", i, 3000 + i));
        texts.push_back(fmt::format("[2001:db8::{:x}]:80:{}", i, 4000 + i));
    }
    std::vector<LabRule> rules;
    for (const auto& text : texts) rules.push_back({text});
    lab().rules(rules);
    for (unsigned i = 0; i < 250; ++i)
        for (const bool ipv6 : {false, true}) {
            Ends ends = Ends::in(ipv6, false);
            ends.to =
                (ipv6 ? fmt::format("2001:db8::{:x}", i) : fmt::format("192.0.2.{}", i)).c_str();
            lab().own(ends.to, lab().eth0());
            ASSERT_EQ(port_in(opening(ends)), (ipv6 ? 4000 : 3000) + i);
        }
    for (const char* outside : {"192.0.2.250", "192.0.3.0", "192.0.1.255"}) {
        Ends ends = Ends::in(false, false);
        ends.to = outside;
        EXPECT_EQ(port_in(opening(ends)), kListen) << outside;
    }
}

TEST_P(Decisions, ALongListHasItsAddressesAnywhere) {
    for (const auto& [name, ipv6, prefixes, beyond] : spreads()) {
        SCOPED_TRACE(name);
        std::vector<std::string> texts;
        std::vector<Rule> parsed;
        std::set<Prefix> known;
        for (const auto& prefix : prefixes) {
            const auto port = 3000 + parsed.size();
            auto text = ipv6 ? fmt::format("[{}]:80:{}", prefix, port)
                             : fmt::format("{}:80:{}", prefix, port);
            auto rule = parse_rules(text);
            ASSERT_TRUE(rule) << text;
            if (!known.insert(*rule->front().local()).second) continue;
            parsed.push_back(rule->front());
            texts.push_back(std::move(text));
        }
        std::vector<LabRule> rules;
        for (const auto& text : texts) rules.push_back({text});
        lab().rules(rules);
        std::vector<bpfport::Address> addresses{*parse_address(beyond)};
        for (const auto& rule : parsed)
            std::ranges::copy(ends_of(*rule.local()), std::back_inserter(addresses));
        for (const auto& address : addresses) {
            const Rule* best = nullptr;
            for (const auto& rule : parsed)
                if (rule.local()->contains(address) &&
                    (!best || rule.local()->length > best->local()->length))
                    best = &rule;
            Ends ends = Ends::in(ipv6, false);
            ends.to = address.to_string().c_str();
            lab().own(ends.to, lab().eth0());
            ASSERT_EQ(port_in(opening(ends)), best ? best->target().first : kListen)
                << address.to_string();
        }
    }
}

// 80 client prefixes of each family with a target each, one within another, behind them all but some, then all.
TEST_P(Decisions, AnyNumberOfClientsOnAPort) {
    std::vector<std::string> texts{"80:5000", "80:5001@-198.51.0.0/16,-2001:db8:f::/48"};
    for (unsigned i = 0; i < 40; ++i) {
        texts.push_back(fmt::format("80:{}@198.51.{}.0/24,2001:db8:f:{:x}::/64", 3000 + i, i, i));
        texts.push_back(fmt::format("80:{}@198.51.{}.7,2001:db8:f:{:x}::7", 4000 + i, i, i));
    }
    std::vector<LabRule> rules;
    for (const auto& text : texts) rules.push_back({text});
    lab().rules(rules);
    const auto target = [&](bool ipv6, const std::string& from) {
        Ends ends = Ends::in(ipv6, false);
        ends.from = from.c_str();
        return port_in(opening(ends));
    };
    for (unsigned i = 0; i < 40; ++i)
        for (const unsigned host : {1U, 6U, 7U, 8U}) {
            const unsigned wanted = (host == 7 ? 4000 : 3000) + i;
            ASSERT_EQ(target(false, fmt::format("198.51.{}.{}", i, host)), wanted);
            ASSERT_EQ(target(true, fmt::format("2001:db8:f:{:x}::{}", i, host)), wanted);
        }
    EXPECT_EQ(target(false, "198.51.40.1"), 5000);
    EXPECT_EQ(target(true, "2001:db8:f:28::1"), 5000);
    EXPECT_EQ(target(false, "198.50.255.255"), 5001);
    EXPECT_EQ(target(true, "2001:db8:10::1"), 5001);
    lab().rules({{"80:3000@198.51.0.0/16,2001:db8:f::/48,-198.51.9.0/24"}});
    EXPECT_EQ(target(false, "198.51.8.255"), 3000);
    EXPECT_EQ(target(false, "198.51.9.1"), kListen);
    EXPECT_EQ(target(false, "198.52.0.0"), kListen);
    EXPECT_EQ(target(true, "2001:db8:f:ffff::1"), 3000);
    EXPECT_EQ(target(true, "2001:db8:10::1"), kListen);
    EXPECT_EQ(lab().outcomes(), "other_client 3");
}

} // namespace
} // namespace bpfport::test
