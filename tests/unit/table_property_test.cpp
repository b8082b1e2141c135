// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Random rules and random packets: the table finds the rule that a plain list has, searched from the most
// specific end.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <optional>
#include <random>
#include <tuple>

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "bpfport/meta.h"
#include "table_memory.hpp"

namespace bpfport {
namespace {

constexpr unsigned kLo = 1;

bool covers(const RuleSpec& rule, const ArrivingPacket& packet) {
    return rule.rule.protocol() == packet.protocol && rule.rule.listen().contains(packet.port) &&
           rule.rule.covers(packet.local) && rule.rule.clients().contains(packet.peer);
}

// The lower the more specific: by the longest of its prefixes that has the client.
unsigned clients_rank(const ClientSet& clients, const Address& peer) {
    if (clients.from().empty()) return clients.not_from().empty() ? 130 : 129;
    unsigned longest = 0;
    for (const auto& prefix : clients.from())
        if (prefix.contains(peer)) longest = std::max(longest, prefix.length);
    return 128 - longest;
}

// Of the rules that share by weight with `found`, the one that this client gets.
std::uint16_t shared(const std::vector<RuleSpec>& rules, const RuleSpec& found,
                     const ArrivingPacket& packet) {
    if (!found.rule.weight()) return found.id;
    std::vector<const RuleSpec*> sharing;
    std::uint64_t sum = 0, weight = 0;
    for (const auto& rule : rules)
        if (rule.ifindex == found.ifindex && rule.rule.shares_with(found.rule)) {
            sharing.push_back(&rule);
            sum += *rule.rule.weight();
        }
    std::array<std::uint32_t, 4> peer{}, local{};
    std::memcpy(peer.data(), packet.peer.bytes.data(), sizeof(peer));
    std::memcpy(local.data(), packet.local.bytes.data(), sizeof(local));
    const auto hash = bp_share_hash(peer.data(), local.data(), htons(packet.peer_port));
    for (const auto* rule : sharing) {
        weight += sum ? *rule->rule.weight() : 1;
        if (hash < (weight << 32) / (sum ? sum : sharing.size())) return rule->id;
    }
    return 0;
}

// The most specific rule that covers the packet, of those that `takes` says yes to.
std::optional<std::uint16_t> best(const std::vector<RuleSpec>& rules, const ArrivingPacket& packet,
                                  const auto& takes) {
    const RuleSpec* found = nullptr;
    const auto rank = [&](const RuleSpec& rule) {
        const auto& local = rule.rule.local();
        return std::tuple(local ? 128 - local->length : 129,
                          clients_rank(rule.rule.clients(), packet.peer), rule.rule.listen().size(),
                          rule.ifindex != 0);
    };
    for (const auto& rule : rules)
        if (covers(rule, packet) && takes(rule) && (!found || rank(rule) < rank(*found)))
            found = &rule;
    return found ? std::optional(shared(rules, *found, packet)) : std::nullopt;
}

std::uint16_t expected(const std::vector<RuleSpec>& rules, const ArrivingPacket& packet) {
    const auto on = [&](unsigned ifindex, bool local_client) {
        return best(rules, packet, [&](const RuleSpec& rule) {
            return rule.ifindex == ifindex && !(local_client && rule.has(BP_RULE_NO_LOCAL));
        });
    };
    if (packet.ifindex != kLo) return on(packet.ifindex, false).value_or(on(0, false).value_or(0));
    if (auto id = on(kLo, false)) return *id;
    if (packet.owner && !packet.local.is_loopback())
        return on(packet.owner, true).value_or(on(0, true).value_or(0));
    return best(rules, packet, [](const RuleSpec& rule) { return !rule.has(BP_RULE_NO_LOCAL); })
        .value_or(0);
}

class RandomRules {
  public:
    explicit RandomRules(unsigned seed) : random_(seed) {}

    RuleSpec rule(std::uint16_t id) {
        unsigned first = 1 + below(30), span = below(3) ? 0 : below(20);
        auto text = fmt::format("{}{}-{}:{}-{}{}{}", local(), first, first + span, 1000 + first,
                                1000 + first + span, below(3) ? "" : "/udp", clients());
        return {id,
                parse_rules(text)->front(),
                below(4),
                BP_ENGINE_TC,
                static_cast<std::uint16_t>(below(4) ? 0 : BP_RULE_NO_LOCAL),
                BP_ABSENT_RESET,
                0};
    }
    // Those that share the listen ports of `rule`, with ids from its own on.
    std::vector<RuleSpec> sharing(const RuleSpec& rule) {
        std::vector<RuleSpec> rules;
        for (unsigned i = 0, count = 1 + below(5); i < count; i++) {
            const PortRange target{
                static_cast<std::uint16_t>(2000 + 100 * i),
                static_cast<std::uint16_t>(2000 + 100 * i + rule.rule.listen().size() - 1)};
            auto made =
                Rule::make(rule.rule.local(), rule.rule.listen(), target, rule.rule.protocol());
            rules.push_back(rule);
            rules.back().id = static_cast<std::uint16_t>(rule.id + i);
            rules.back().rule = made->with_clients(rule.rule.clients())
                                    .with_weight(static_cast<std::uint16_t>(below(4)));
        }
        return rules;
    }
    ArrivingPacket packet() {
        static constexpr const char* kAddresses[] = {"192.0.2.1",   "192.0.2.2",   "192.0.3.255",
                                                     "10.0.0.1",    "127.0.0.1",   "2001:db8::1",
                                                     "2001:db8::2", "2001:db8:1::"};
        static constexpr const char* kPeers[] = {"198.51.100.1", "198.51.100.7",  "198.51.101.1",
                                                 "203.0.113.9",  "2001:db8:f::1", "2001:db8:f::7",
                                                 "fe80::1",      "::fffe:0:0",    "127.0.0.1"};
        return {below(3) ? Protocol::kTcp : Protocol::kUdp,
                static_cast<std::uint16_t>(1 + below(55)),
                *parse_address(kAddresses[below(std::size(kAddresses))]),
                1 + below(4),
                below(4),
                *parse_address(kPeers[below(std::size(kPeers))]),
                static_cast<std::uint16_t>(below(65536))};
    }
    unsigned below(unsigned end) { return static_cast<unsigned>(random_() % end); }

  private:
    const char* local() {
        static constexpr const char* kLocals[] = {"",
                                                  "",
                                                  "",
                                                  "192.0.2.1:",
                                                  "192.0.2.2:",
                                                  "10.0.0.1:",
                                                  "127.0.0.1:",
                                                  "192.0.2.0/24:",
                                                  "192.0.2.0/30:",
                                                  "192.0.0.0/16:",
                                                  "0.0.0.0/0:",
                                                  "10.0.0.0/8:",
                                                  "127.0.0.0/8:",
                                                  "[2001:db8::1]:",
                                                  "[2001:db8::/32]:",
                                                  "[2001:db8::/126]:",
                                                  "[2001:db8:1::/64]:"};
        return kLocals[below(std::size(kLocals))];
    }
    // None for half of the rules.
    const char* clients() {
        static constexpr const char* kClients[] = {"",
                                                   "",
                                                   "",
                                                   "",
                                                   "",
                                                   "",
                                                   "@198.51.100.0/24",
                                                   "@198.51.100.0/24,-198.51.100.7",
                                                   "@198.51.100.1,2001:db8:f::/64",
                                                   "@0.0.0.0/0",
                                                   "@::/0",
                                                   "@::/0,-2001:db8::/32",
                                                   "@-198.51.100.0/23",
                                                   "@-::/0"};
        return kClients[below(std::size(kClients))];
    }
    std::mt19937 random_;
};

TEST(TableProperty, FindsTheMostSpecificRule) {
    int matched = 0;
    for (unsigned seed = 0; seed < 200; ++seed) {
        RandomRules random(seed);
        std::vector<RuleSpec> rules;
        for (unsigned i = 1 + random.below(seed % 10 ? 40 : 400); i > 0; --i) {
            const auto rule = random.rule(static_cast<std::uint16_t>(rules.size() + 1));
            if (random.below(4))
                rules.push_back(rule);
            else
                std::ranges::move(random.sharing(rule), std::back_inserter(rules));
        }
        const auto change = Table::plan_first({}, rules, no_slot_bits);
        ASSERT_TRUE(change);
        const TableMaps maps = memory_maps(change->capacity);
        auto table = Table::open(maps, true);
        ASSERT_TRUE(table);
        ASSERT_TRUE(table->commit(*change));
        for (const auto& back : table->rules()) ASSERT_EQ(back.rule, rules.at(back.id - 1U).rule);
        for (int i = 0; i < 500; ++i) {
            const auto packet = random.packet();
            const auto wanted = expected(rules, packet);
            ASSERT_EQ(table->find(packet), wanted)
                << "seed " << seed << ": port " << packet.port << " of " << packet.local.to_string()
                << " on " << packet.ifindex << " owner " << packet.owner << " from "
                << packet.peer.to_string();
            matched += wanted != 0;
        }
    }
    EXPECT_GT(matched, 10000) << "packets that a rule covers";
}

} // namespace
} // namespace bpfport
