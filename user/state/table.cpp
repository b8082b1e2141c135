// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/table.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <set>

#include <fmt/format.h>

#include "bpfport/meta.h"
#include "kernel/grace_period.hpp"

namespace bpfport {

namespace {

// Flags that follow from the rule, and are not among those of InstalledRule.
constexpr unsigned kOfTheRule = BP_RULE_ADDRESS | BP_RULE_RECHECK | BP_RULE_ONE_TARGET;

using RuleSet = std::array<std::uint16_t, BP_SET_SIZE>;

bp_rule to_raw(const InstalledRule& rule) {
    bp_rule raw{};
    if (const auto& local = rule.rule.local()) {
        std::memcpy(raw.address, local->address.bytes.data(), sizeof(raw.address));
        raw.prefix = static_cast<std::uint8_t>(local->length);
    }
    raw.ifindex = rule.ifindex;
    raw.listen_first = rule.rule.listen().first;
    raw.listen_last = rule.rule.listen().last;
    raw.target_first = rule.rule.target().first;
    raw.old_target_first = rule.old_target_first;
    raw.proto = rule.rule.protocol() == Protocol::kTcp ? BP_TCP : BP_UDP;
    raw.on_absent = rule.on_absent;
    raw.engine = rule.engine;
    raw.flags = rule.flags & ~kOfTheRule;
    if (rule.rule.local()) raw.flags |= BP_RULE_ADDRESS;
    if (rule.rule.one_target()) raw.flags |= BP_RULE_ONE_TARGET;
    if (rule.on_absent != BP_ABSENT_RESET || rule.has(BP_RULE_DRAINING))
        raw.flags |= BP_RULE_RECHECK;
    return raw;
}

std::optional<InstalledRule> from_raw(std::uint16_t id, const bp_rule& raw) {
    if (raw.listen_first == 0) return {};
    std::optional<Prefix> local;
    if (raw.flags & BP_RULE_ADDRESS) local = Prefix{Address::from_v6(raw.address), raw.prefix};
    const bool one = raw.flags & BP_RULE_ONE_TARGET;
    unsigned span = one ? 0 : raw.listen_last - raw.listen_first;
    auto rule = Rule::make(local, {raw.listen_first, raw.listen_last},
                           {raw.target_first, static_cast<std::uint16_t>(raw.target_first + span)},
                           raw.proto == BP_UDP ? Protocol::kUdp : Protocol::kTcp,
                           one ? PortMapping::kOneTarget : PortMapping::kOneToOne);
    if (!rule) return {}; // can't be: only valid rules are written
    auto flags = static_cast<std::uint16_t>(raw.flags & ~kOfTheRule);
    return InstalledRule{id,    *rule,         raw.ifindex,         raw.engine,
                         flags, raw.on_absent, raw.old_target_first};
}

std::uint16_t target_bits(const InstalledRule& rule, SlotBitsOf bits_of) {
    unsigned bits = BP_PORT_TARGET | bits_of(rule).target;
    if (rule.has(BP_RULE_FORWARDED)) bits |= BP_PORT_FORWARDED;
    if (rule.has(BP_RULE_EXCLUSIVE))
        bits |= rule.on_absent == BP_ABSENT_DROP ? BP_PORT_EXCLUSIVE_DROP : BP_PORT_EXCLUSIVE;
    return static_cast<std::uint16_t>(bits);
}

// An address is more special than none, an interface more than every interface.
bool more_special(const InstalledRule& left, const InstalledRule& right) {
    return std::tuple(left.rule.local().has_value(), left.ifindex != 0) >
           std::tuple(right.rule.local().has_value(), right.ifindex != 0);
}

// A port is dormant when every rule that listens on it is.
void mark_dormant(bp_table_side& side, const std::vector<InstalledRule>& rules, SlotBitsOf bits) {
    for (bool asleep : {true, false})
        for (const auto& rule : rules) {
            if (rule.rule.protocol() != Protocol::kTcp || bits(rule).dormant != asleep) continue;
            auto [first, last] = rule.rule.listen();
            for (unsigned port = first; port <= last; port++) {
                auto& slot = side.ports[BP_TCP][port];
                slot = static_cast<std::uint16_t>(asleep ? slot | BP_PORT_FALLBACK
                                                         : slot & ~BP_PORT_FALLBACK);
            }
        }
}

// The rules that listen on each port, most special first.
class SetBuilder {
  public:
    explicit SetBuilder(bp_table_side& side) : side_(side) {}

    Result<void> add(std::uint16_t& slot, std::uint16_t id) {
        RuleSet set{};
        std::copy_n(side_.sets[slot & BP_PORT_SET], BP_SET_SIZE, set.begin());
        auto free = std::ranges::find(set, 0);
        if (free == set.end())
            return failure(fmt::format("more than {} rules for one listen port", BP_SET_SIZE));
        *free = id;
        auto [known, fresh] = ids_.try_emplace(set, static_cast<std::uint16_t>(ids_.size() + 1));
        if (known->second >= BP_MAX_SETS)
            return failure(fmt::format("more than {} different sets of rules", BP_MAX_SETS - 1));
        if (fresh) std::ranges::copy(set, side_.sets[known->second]);
        slot = static_cast<std::uint16_t>((slot & ~BP_PORT_SET) | known->second);
        return {};
    }

  private:
    bp_table_side& side_;
    std::map<RuleSet, std::uint16_t> ids_;
};

} // namespace

Result<std::unique_ptr<bp_table_side>> build_side(const std::vector<InstalledRule>& rules,
                                                  SlotBitsOf bits) {
    auto side = std::make_unique<bp_table_side>();
    SetBuilder sets(*side);
    std::vector<const InstalledRule*> order;
    for (const auto& rule : rules) order.push_back(&rule);
    std::ranges::stable_sort(order, [](auto* l, auto* r) { return more_special(*l, *r); });

    for (const InstalledRule* rule : order) {
        auto& ports = side->ports[rule->rule.protocol() == Protocol::kTcp ? BP_TCP : BP_UDP];
        auto [first, last] = rule->rule.listen();
        side->rules[rule->id] = to_raw(*rule);
        for (unsigned port = first; port <= last; port++) {
            BP_TRY(sets.add(ports[port], rule->id), rule->rule.to_string());
            ports[rule->rule.target_of(static_cast<std::uint16_t>(port))] |=
                target_bits(*rule, bits);
            if (rule->old_target_first)
                ports[rule->old_target_first + port - first] |= BP_PORT_TARGET;
        }
    }
    mark_dormant(*side, rules, bits);
    return side;
}

std::uint16_t find_in_side(const bp_table_side& side, const ArrivingPacket& packet) {
    constexpr unsigned kLoopback = 1; // LOOPBACK_IFINDEX
    const bool on_lo = packet.ifindex == kLoopback;
    const unsigned owner = !on_lo ? packet.ifindex : packet.local.is_loopback() ? 0 : packet.owner;
    const auto slot = side.ports[packet.protocol == Protocol::kTcp ? BP_TCP : BP_UDP][packet.port];
    for (std::uint16_t id : side.sets[slot & BP_PORT_SET]) {
        if (!id) break;
        const bp_rule& rule = side.rules[id];
        if ((rule.flags & BP_RULE_ADDRESS) && Address::from_v6(rule.address) != packet.local)
            continue;
        if (rule.ifindex == packet.ifindex) return id;
        if (on_lo && (rule.flags & BP_RULE_NO_LOCAL)) continue;
        if (!rule.ifindex || !owner || rule.ifindex == owner) return id;
    }
    return 0;
}

Result<Table> Table::open(const Fd& map, bool writable) {
    auto table = Mapped<bp_table>::open(map, writable ? Mapping::kWritable : Mapping::kReadOnly,
                                        "the rule table");
    if (!table) return std::unexpected(table.error());
    return Table(std::move(*table));
}

const bp_table_side& Table::active() const {
    return table_->side[std::atomic_ref(table_->flips).load(std::memory_order_acquire) & 1];
}

std::vector<InstalledRule> Table::rules() const {
    std::vector<InstalledRule> rules;
    const bp_table_side& side = active();
    for (std::uint16_t id = 1; id < BP_MAX_RULES; id++)
        if (auto rule = from_raw(id, side.rules[id])) rules.push_back(*rule);
    return rules;
}

std::uint16_t Table::find(const ArrivingPacket& packet) const {
    return find_in_side(active(), packet);
}

Result<void> Table::number(std::vector<InstalledRule>& rules) {
    // A connection of a rule that is gone may still count under its id, so ids are reused late:
    // the search starts behind the last one given out.
    std::set<std::uint16_t> taken;
    for (const auto& rule : this->rules()) taken.insert(rule.id);
    for (const auto& rule : rules) taken.insert(rule.id);
    std::uint32_t next = table_->last_id;
    for (auto& rule : rules) {
        if (rule.id) continue;
        for (unsigned tries = 0; !rule.id; tries++) {
            if (tries == BP_MAX_RULES)
                return failure(
                    fmt::format("more than {} rules in one network namespace", BP_MAX_RULES - 1));
            next = next % (BP_MAX_RULES - 1) + 1;
            if (taken.insert(static_cast<std::uint16_t>(next)).second)
                rule.id = static_cast<std::uint16_t>(next);
        }
    }
    table_->last_id = next;
    return {};
}

Result<void> Table::replace(const std::vector<InstalledRule>& rules, SlotBitsOf bits) {
    auto side = build_side(rules, bits);
    if (!side) return std::unexpected(side.error());

    const std::uint32_t flips = table_->flips;
    std::memcpy(&table_->side[spare_side(flips)], side->get(), sizeof(bp_table_side));
    std::atomic_ref(table_->flips).store(flips + 1, std::memory_order_release);
    return {};
}

std::uint8_t Table::fallback(std::uint16_t target_port) const {
    return std::atomic_ref(table_->fallback[target_port]).load();
}

void Table::clear_fallback(const std::set<std::uint16_t>& gone) {
    for (std::uint16_t port : gone) std::atomic_ref(table_->fallback[port]).store(0);
    std::atomic_ref(table_->fallback_active).store(0);
    // Programs set fallback first and fallback_active then, so whatever was set meanwhile is seen here.
    for (auto& port : table_->fallback)
        if (std::atomic_ref(port).load()) std::atomic_ref(table_->fallback_active).store(1);
}

} // namespace bpfport
