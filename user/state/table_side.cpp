// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/table_side.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>

#include "bpfport/listener.h"
#include "rule/raw_protocol.hpp"
#include "state/client_spans.hpp"
#include "state/share_places.hpp"
#include "state/spans.hpp"

namespace bpfport {

namespace {

// Flags that follow from the rule, and are not among those of RuleSpec.
constexpr unsigned kOfTheRule =
    BP_RULE_ADDRESS | BP_RULE_RECHECK | BP_RULE_ONE_TARGET | BP_RULE_WEIGHT;

bp_rule to_raw(const RuleSpec& rule, std::uint32_t clients, std::uint32_t shares) {
    bp_rule raw{};
    if (const auto& local = rule.rule.local()) {
        std::memcpy(raw.address, local->address.bytes.data(), sizeof(raw.address));
        raw.prefix = static_cast<__u8>(local->length);
    }
    raw.ifindex = rule.ifindex;
    raw.listen_first = rule.rule.listen().first;
    raw.listen_last = rule.rule.listen().last;
    raw.target_first = rule.rule.target().first;
    raw.old_target_first = rule.old_target_first;
    raw.proto = raw_protocol(rule.rule.protocol());
    raw.on_absent = rule.on_absent;
    raw.engine = static_cast<__u8>(rule.engine);
    raw.clients = clients;
    raw.shares = shares;
    raw.flags = rule.flags & ~kOfTheRule;
    if (rule.rule.local()) raw.flags |= BP_RULE_ADDRESS;
    if (rule.rule.one_target()) raw.flags |= BP_RULE_ONE_TARGET;
    if (const auto weight = rule.rule.weight()) {
        raw.weight = *weight;
        raw.flags |= BP_RULE_WEIGHT;
    }
    if (rule.on_absent != BP_ABSENT_RESET || rule.has(BP_RULE_DRAINING))
        raw.flags |= BP_RULE_RECHECK;
    return raw;
}

std::uint32_t target_bits(const RuleSpec& rule, const SlotBits& own) {
    std::uint32_t bits = BP_PORT_TARGET | own.target;
    if (rule.has(BP_RULE_FORWARDED)) bits |= BP_PORT_FORWARDED;
    if (rule.has(BP_RULE_EXCLUSIVE))
        bits |= rule.on_absent == BP_ABSENT_DROP ? BP_PORT_EXCLUSIVE_DROP : BP_PORT_EXCLUSIVE;
    return bits;
}

// Of ports the narrower range first; then, where rules of several interfaces are searched, those of
// `any`: a local client comes by none of them.
AddressRange range_of(const RuleSpec& rule) {
    const auto& local = rule.rule.local();
    const ClientSet& clients = rule.rule.clients();
    std::uint32_t ports = rule.rule.listen().size() << 1 | (rule.ifindex != 0 ? 1U : 0U);
    AddressRange range{0, ~WideNumber{0}, 0, rule.id, clients.has_all() ? nullptr : &clients};
    range.rank =
        rule_rank(local ? Prefix::kBits - local->length : Prefix::kBits + 1, clients, ports);
    if (local) {
        auto [first, last] = wide_range(*local);
        range.first = first;
        range.last = last;
    }
    return range;
}

// The rules that share a port, by what packets they may cover.
SpanStore::Scopes scopes_of(const std::vector<const RuleSpec*>& rules, const SharePlaces& shares) {
    SpanStore::Scopes scopes;
    const auto add_to = [&](std::uint32_t scope, const AddressRange& range) {
        auto& ranges = scopes[scope];
        if (ranges.empty()) ranges.reserve(rules.size());
        ranges.push_back(range);
    };
    for (const auto* rule : rules) {
        if (shares.is_represented(*rule)) continue;
        auto range = range_of(*rule);
        if (auto index = shares.of(*rule)) range.id = BP_SPAN_SHARES | index;
        add_to(rule->ifindex, range);
        if (rule->has(BP_RULE_NO_LOCAL)) continue;
        if (rule->ifindex != kLoScope) add_to(BP_SCOPE_LOCAL | rule->ifindex, range);
        add_to(BP_SCOPE_LOCAL_ALL, range);
    }
    return scopes;
}

using TakesListeners = std::function<bool(const RuleSpec&)>;

// The local addresses that each tcp target port serves whose listeners are stored, where these are not all.
void add_served_addresses(SpanStore::Scopes& scopes, const std::vector<RuleSpec>& rules,
                          const TakesListeners& takes_listeners) {
    constexpr std::uint64_t kBehind = 1;
    std::vector<bool> serve_all(65536);
    std::vector<std::vector<AddressRange>> by_port(65536);
    const auto each = [&](bool with_local, const auto& visit) {
        for (const auto& rule : rules) {
            if (rule.rule.protocol() != Protocol::kTcp || !takes_listeners(rule)) continue;
            if (rule.rule.local().has_value() != with_local) continue;
            auto [first, last] = rule.rule.target();
            for (unsigned port = first; port <= last; port++) visit(rule, port);
        }
    };
    each(false, [&](const RuleSpec&, unsigned port) { serve_all[port] = true; });
    each(true, [&](const RuleSpec& rule, unsigned port) {
        if (serve_all[port]) return;
        auto& ranges = by_port[port];
        if (ranges.empty())
            ranges.push_back({0, ~WideNumber{0}, kBehind, BP_STEERED_NOT_SERVED, nullptr});
        auto served = range_of(rule);
        ranges.push_back({served.first, served.last, 0, BP_STEERED_SERVED, nullptr});
    });
    for (unsigned port = 0; port < by_port.size(); port++)
        if (!by_port[port].empty())
            scopes.emplace_hint(scopes.end(), BP_SCOPE_STEERED | port, std::move(by_port[port]));
}

// What is to be looked up of target ports (bp_table.exclusive).
std::uint32_t add_targets(SpanStore& store, const std::vector<RuleSpec>& rules,
                          const TakesListeners& takes_listeners) {
    SpanStore::Scopes scopes;
    add_served_addresses(scopes, rules, takes_listeners);
    for (const auto& rule : rules) {
        if (!rule.has(BP_RULE_EXCLUSIVE)) continue;
        auto [first, last] = rule.rule.target();
        AddressRange range{BP_EXCLUSIVE_KEY(raw_protocol(rule.rule.protocol()), first),
                           BP_EXCLUSIVE_KEY(raw_protocol(rule.rule.protocol()), last), 0, 1,
                           nullptr};
        scopes[rule.ifindex].push_back(range);
        scopes[BP_SCOPE_LOCAL_ALL].push_back(range);
    }
    return scopes.empty() ? 0 : store.add(std::move(scopes));
}

// Ports in a row that the same rules listen on.
struct Segment {
    unsigned proto, first, last;
    const std::vector<const RuleSpec*>& rules; // as they follow each other in memory

    // One that the programs need no search for.
    [[nodiscard]] const RuleSpec* only() const {
        return rules.size() == 1 && !rules.front()->rule.local() ? rules.front() : nullptr;
    }
};

unsigned behind(const RuleSpec& rule) { return rule.rule.listen().last + 1U; }

// The rules of a protocol, by the port that they begin with.
std::vector<const RuleSpec*> by_first_port(const std::vector<RuleSpec>& rules, unsigned proto) {
    std::vector<const RuleSpec*> sorted;
    for (const auto& rule : rules)
        if (raw_protocol(rule.rule.protocol()) == proto) sorted.push_back(&rule);
    std::ranges::stable_sort(sorted, {},
                             [](const auto* rule) { return rule->rule.listen().first; });
    return sorted;
}

void for_each_segment(const std::vector<RuleSpec>& rules,
                      const std::function<void(const Segment&)>& visit) {
    for (unsigned proto : {BP_TCP, BP_UDP}) {
        const auto sorted = by_first_port(rules, proto);
        std::vector<const RuleSpec*> open;
        auto next = sorted.begin();
        for (unsigned port = 0; next != sorted.end() || !open.empty();) {
            if (open.empty()) port = (*next)->rule.listen().first;
            const auto begun = static_cast<std::ptrdiff_t>(open.size());
            while (next != sorted.end() && (*next)->rule.listen().first == port)
                open.push_back(*next++);
            std::ranges::inplace_merge(open, open.begin() + begun);
            unsigned end = 65536;
            for (const auto* rule : open) end = std::min(end, behind(*rule));
            if (next != sorted.end()) end = std::min<unsigned>(end, (*next)->rule.listen().first);
            visit({proto, port, end - 1, open});
            std::erase_if(open, [&](const auto* rule) { return behind(*rule) == end; });
            port = end;
        }
    }
}

// The sets of the ports that need one; those with the same rules share one.
class Sets {
  public:
    // Of these rules, which outlive it.
    explicit Sets(const std::vector<RuleSpec>& rules)
        : store_(kSpansOfARule * rules.size()), shares_(store_, rules) {}

    std::uint32_t entry(const Segment& segment) {
        if (const auto* only = segment.only()) return only->id;
        auto [known, fresh] = known_.try_emplace(segment.rules);
        if (fresh) known->second = store_.add(scopes_of(segment.rules, shares_));
        return BP_PORT_SEARCH | known->second;
    }
    SpanStore& store() { return store_; }
    [[nodiscard]] const SharePlaces& shares() const { return shares_; }

  private:
    // Rules with an address each take up to some three for the listen port, and as many for the target port.
    static constexpr std::size_t kSpansOfARule = 6;
    SpanStore store_;
    SharePlaces shares_;
    std::map<std::vector<const RuleSpec*>, std::uint32_t> known_;
};

} // namespace

std::optional<RuleSpec> from_raw(std::uint16_t id, const bp_rule& raw,
                                 std::span<const bp_span> spans) {
    if (raw.listen_first == 0) return {};
    std::optional<Prefix> local;
    if (raw.flags & BP_RULE_ADDRESS) local = Prefix{Address::from_v6(raw.address), raw.prefix};
    const bool one = raw.flags & BP_RULE_ONE_TARGET;
    unsigned span = one ? 0 : raw.listen_last - raw.listen_first;
    auto rule =
        Rule::make(local, {raw.listen_first, raw.listen_last},
                   {raw.target_first, static_cast<std::uint16_t>(raw.target_first + span)},
                   protocol_of(raw.proto), one ? PortMapping::kOneTarget : PortMapping::kOneToOne);
    auto clients = clients_at(spans, raw.clients);
    if (!rule || !clients) return {}; // can't be: only valid rules are written
    auto flags = static_cast<std::uint16_t>(raw.flags & ~kOfTheRule);
    std::optional<std::uint16_t> weight;
    if (raw.flags & BP_RULE_WEIGHT) weight = raw.weight;
    return RuleSpec{id,
                    rule->with_clients(std::move(*clients)).with_weight(weight),
                    raw.ifindex,
                    raw.engine,
                    flags,
                    raw.on_absent,
                    raw.old_target_first};
}

TableSide build_side(const std::vector<RuleSpec>& rules, SlotBitsOf bits_of) {
    TableSide side{std::make_unique<PortEntries>(), {}, {}};
    side.rules.reserve(rules.size());
    std::vector<SlotBits> all_bits;
    all_bits.reserve(rules.size());
    for (const auto& rule : rules) all_bits.push_back(bits_of(rule));
    const auto bits = [&](const RuleSpec& rule) -> const SlotBits& {
        return all_bits[static_cast<std::size_t>(&rule - rules.data())];
    };
    Sets sets(rules);
    for (const auto& rule : rules) {
        auto& ports = (*side.ports)[raw_protocol(rule.rule.protocol())];
        auto [first, last] = rule.rule.target();
        for (unsigned port = first; port <= last; port++)
            ports[port] |= target_bits(rule, bits(rule));
        if (rule.old_target_first)
            for (unsigned i = 0; i < rule.rule.target().size(); i++)
                ports[rule.old_target_first + i] |= BP_PORT_TARGET;
        side.rules.emplace_back(
            rule.id, to_raw(rule, sets.store().add(rule.rule.clients()), sets.shares().of(rule)));
    }
    for_each_segment(rules, [&](const Segment& segment) {
        std::uint32_t entry = sets.entry(segment);
        if (segment.proto == BP_TCP && std::ranges::all_of(segment.rules, [&](const auto* rule) {
                return bits(*rule).dormant;
            }))
            entry |= BP_PORT_FALLBACK;
        for (unsigned port = segment.first; port <= segment.last; port++)
            (*side.ports)[segment.proto][port] |= entry;
    });
    side.exclusive = add_targets(sets.store(), rules, [&](const RuleSpec& rule) {
        return (bits(rule).target & BP_PORT_STEERED) != 0;
    });
    side.spans = sets.store().take_spans();
    side.uses_tc = !std::ranges::all_of(all_bits, &SlotBits::dormant);
    return side;
}

} // namespace bpfport
