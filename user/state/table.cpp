// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/table.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "bpfport/flow.h"
#include "kernel/bpf.hpp"
#include "kernel/grace_period.hpp"
#include "rule/raw_protocol.hpp"
#include "state/spans.hpp"

namespace bpfport {

namespace {

std::unexpected<Error> too_many_rules() {
    return failure(fmt::format("more than {} rules in one network namespace", BP_MAX_RULES - 1));
}

// The largest id that the rule may have: a forwarded connection's candidate has fewer bits for it.
std::uint32_t largest_id(const RuleSpec& rule) {
    return rule.has(BP_RULE_FORWARDED) ? BP_CANDIDATE_RULE : BP_MAX_RULES - 1;
}

// Ids of a table: those that are not to be given out, and the newest.
struct Ids {
    std::vector<bool> taken = std::vector<bool>(BP_MAX_RULES);
    std::uint32_t last = 0;
};

std::unexpected<Error> no_id_for_forwarded() {
    return failure(fmt::format("a --forwarded rule needs one of the first {} places of the rule "
                               "table, and other rules have all of them",
                               unsigned{BP_CANDIDATE_RULE}),
                   "detach rules that are not --forwarded, or attach those that are first");
}

// Gives an id below `end` to each rule that has none. A connection of a rule that is gone may still count
// under its id, so ids are reused late: the search starts behind the last one given out.
Result<void> give_ids(std::vector<RuleSpec>& rules, std::uint32_t end, Ids& ids,
                      std::vector<std::uint16_t>& given) {
    for (auto& rule : rules) {
        if (rule.id) continue;
        const std::uint32_t largest = std::min(end - 1, largest_id(rule));
        for (std::uint32_t tries = 0; !rule.id; tries++) {
            if (tries == largest)
                return rule.has(BP_RULE_FORWARDED) ? no_id_for_forwarded() : too_many_rules();
            ids.last = ids.last % largest + 1;
            if (ids.taken[ids.last]) continue;
            ids.taken[ids.last] = true;
            rule.id = static_cast<std::uint16_t>(ids.last);
            given.push_back(rule.id);
        }
    }
    return {};
}

// `ids` has the ids of the rules in force.
Result<TableChange> plan_change(std::vector<RuleSpec>& rules, SlotBitsOf bits, Ids ids,
                                TableCapacity capacity) {
    // Ids of rules that are in force now are not given to others in the same change.
    auto needed = 1 + static_cast<std::size_t>(std::ranges::count(ids.taken, true));
    for (auto& rule : rules) {
        if (rule.id > largest_id(rule)) rule.id = 0;
        if (!rule.id || !ids.taken[rule.id]) needed++;
        if (rule.id) ids.taken[rule.id] = true;
    }
    if (needed > BP_MAX_RULES) return too_many_rules();
    TableChange change;
    change.capacity.rules =
        std::max(capacity.rules, std::bit_ceil(static_cast<std::uint32_t>(needed)));
    if (auto given = give_ids(rules, change.capacity.rules, ids, change.new_ids); !given)
        return std::unexpected(given.error());
    change.last_id = ids.last;
    change.side = build_side(rules, bits);
    const std::size_t spans = change.side.spans.size();
    if (spans > BP_MAX_SPANS)
        return failure(fmt::format("the rules overlap in more than {} ways", BP_MAX_SPANS),
                       "use fewer rules whose ranges of ports share ports");
    change.capacity.spans =
        std::max(capacity.spans, std::bit_ceil(static_cast<std::uint32_t>(spans)));
    return change;
}

std::uint32_t share_hash(const ArrivingPacket& packet) {
    std::array<std::uint32_t, 4> peer{}, local{};
    std::memcpy(peer.data(), packet.peer.bytes.data(), sizeof(peer));
    std::memcpy(local.data(), packet.local.bytes.data(), sizeof(local));
    return bp_share_hash(peer.data(), local.data(), htons(packet.peer_port));
}

} // namespace

Result<TableMaps> TableMaps::of(Fd table, Fd rules, Fd spans) {
    auto of_rules = map_info(rules, "the rules");
    if (!of_rules) return std::unexpected(of_rules.error());
    auto of_spans = map_info(spans, "the spans");
    if (!of_spans) return std::unexpected(of_spans.error());
    TableCapacity capacity{of_rules->capacity / 2,
                           of_spans->value_size / 2 / static_cast<std::uint32_t>(sizeof(bp_span))};
    return TableMaps{std::move(table), std::move(rules), std::move(spans), capacity};
}

Result<Table> Table::open(const TableMaps& maps, bool writable) {
    auto mapping = writable ? Mapping::kWritable : Mapping::kReadOnly;
    auto table = Mapped<bp_table>::open(maps.table, mapping, "the rule table");
    if (!table) return std::unexpected(table.error());
    auto rules =
        MappedArray<bp_rule>::open(maps.rules, 2 * maps.capacity.rules, mapping, "the rules");
    if (!rules) return std::unexpected(rules.error());
    auto spans =
        MappedArray<bp_span>::open(maps.spans, 2 * maps.capacity.spans, mapping, "the spans");
    if (!spans) return std::unexpected(spans.error());
    return Table(maps.capacity, std::move(*table), std::move(*rules), std::move(*spans));
}

unsigned Table::side() const {
    return std::atomic_ref(table_->flips).load(std::memory_order_acquire) & 1;
}

std::vector<RuleSpec> Table::rules() const {
    const unsigned side = this->side();
    std::size_t count = 0;
    each_raw(side, [&](std::uint32_t, const bp_rule&) { count++; });
    std::vector<RuleSpec> rules;
    rules.reserve(count);
    each_raw(side, [&](std::uint32_t id, const bp_rule& raw) {
        if (auto found =
                from_raw(static_cast<std::uint16_t>(id), raw, {spans(side), capacity_.spans}))
            rules.push_back(std::move(*found));
    });
    return rules;
}

bool Table::any_waits() const {
    bool found = false;
    each_raw(side(), [&](std::uint32_t, const bp_rule& raw) {
        found |= (raw.flags & (BP_RULE_DRAINING | BP_RULE_TC_FLOWS)) || raw.old_target_first;
    });
    return found;
}

std::uint32_t Table::search(unsigned side, std::uint32_t entry,
                            const ArrivingPacket& packet) const {
    const auto in = [&](std::uint32_t scope) {
        return search_set(spans(side), entry & BP_PORT_LISTEN, scope, wide(packet.local.bytes),
                          wide(packet.peer.bytes));
    };
    if (packet.ifindex != kLoScope) {
        auto id = in(packet.ifindex);
        return id ? id : in(BP_SCOPE_ANY);
    }
    unsigned owner = packet.local.is_loopback() ? 0 : packet.owner;
    auto id = in(kLoScope);
    if (!id && !owner) return in(BP_SCOPE_LOCAL_ALL);
    if (!id) id = in(BP_SCOPE_LOCAL | owner);
    return id ? id : in(BP_SCOPE_LOCAL | BP_SCOPE_ANY);
}

bool Table::covers(unsigned side, const bp_rule& only, const ArrivingPacket& packet) const {
    if (only.clients && !has_client(spans(side), only.clients, wide(packet.peer.bytes)))
        return false;
    if (!only.ifindex && packet.ifindex != kLoScope) return true;
    if (only.ifindex == packet.ifindex) return true;
    if (packet.ifindex != kLoScope || (only.flags & BP_RULE_NO_LOCAL)) return false;
    unsigned owner = packet.local.is_loopback() ? 0 : packet.owner;
    return !only.ifindex || !owner || only.ifindex == owner;
}

std::uint16_t Table::find(const ArrivingPacket& packet) const {
    const unsigned side = this->side();
    const unsigned proto = raw_protocol(packet.protocol);
    const std::uint32_t entry = table_->ports[side][proto][packet.port];
    const auto id = static_cast<std::uint16_t>(entry & BP_PORT_LISTEN);
    if (!(entry & BP_PORT_LISTEN)) return 0;
    if (entry & BP_PORT_SEARCH)
        return share_of(spans(side), search(side, entry, packet), share_hash(packet));
    return covers(side, rule(side, id), packet) ? id : 0;
}

Result<TableChange> Table::plan(std::vector<RuleSpec>& rules, SlotBitsOf bits) const {
    Ids ids;
    ids.last = table_->last_id;
    each_raw(side(), [&](std::uint32_t id, const bp_rule&) { ids.taken[id] = true; });
    return plan_change(rules, bits, std::move(ids), capacity_);
}

Result<TableChange> Table::plan_first(const TableCapacity& least, std::vector<RuleSpec>& rules,
                                      SlotBitsOf bits) {
    return plan_change(rules, bits, {}, least);
}

void Table::write(unsigned side, const TableSide& content) {
    std::memcpy(table_->ports[side], content.ports->data(), sizeof(table_->ports[side]));
    for (std::uint32_t id = 0; id < capacity_.rules; id++) rules_[BP_RULE_INDEX(side, id)] = {};
    for (const auto& [id, raw] : content.rules) rules_[BP_RULE_INDEX(side, id)] = raw;
    std::ranges::copy(content.spans, &spans_[BP_SPAN_INDEX(side, capacity_.spans, 0)]);
    table_->exclusive[side] = content.exclusive;
}

Result<void> Table::commit(const TableChange& change) {
    if (!capacity_.covers(change.capacity))
        return failure(fmt::format(
            "the rules need {} ids and {} spans, and the table has {} and {}",
            change.capacity.rules, change.capacity.spans, capacity_.rules, capacity_.spans));
    const std::uint32_t flips = table_->flips;
    table_->last_id = change.last_id;
    write(spare_side(flips), change.side);
    if (change.side.uses_tc) std::atomic_ref(table_->tc_used).store(1, std::memory_order_release);
    std::atomic_ref(table_->flips).store(flips + 1, std::memory_order_release);
    return {};
}

void Table::copy_to(Table& larger) const {
    for (unsigned side : {0U, 1U}) {
        for (std::uint32_t id = 0; id < capacity_.rules; id++)
            larger.rules_[BP_RULE_INDEX(side, id)] = rule(side, id);
        std::copy_n(spans(side), capacity_.spans,
                    &larger.spans_[BP_SPAN_INDEX(side, larger.capacity_.spans, 0)]);
    }
}

std::uint8_t Table::fallback(std::uint16_t target_port) const {
    return std::atomic_ref(table_->listeners[target_port]).load() & BP_ANY_FALLBACK;
}

void Table::clear_fallback(const std::set<std::uint16_t>& gone) {
    for (std::uint16_t port : gone)
        std::atomic_ref(table_->listeners[port])
            .fetch_and(static_cast<std::uint8_t>(~BP_ANY_FALLBACK));
    std::atomic_ref(table_->fallback_active).store(0);
    // Programs set the bit first and fallback_active then, so whatever was set meanwhile is seen here.
    for (auto& port : table_->listeners)
        if (std::atomic_ref(port).load() & BP_ANY_FALLBACK)
            std::atomic_ref(table_->fallback_active).store(1);
}

} // namespace bpfport
