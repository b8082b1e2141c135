// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rule/shares.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "bpfport/table.h"

namespace bpfport {

namespace {

using Sharing = std::vector<const PlacedRule*>; // of one interface, by target
using ByInterface = std::map<unsigned, Sharing>;

using Found = std::optional<ShareConflict>;

Found conflict(const PlacedRule& rule, const std::string& what, std::string hint) {
    return ShareConflict{&rule, failure(rule.to_string() + what, std::move(hint)).error()};
}

Found find_in(const Sharing& rules) {
    const PlacedRule& first = *rules.front();
    if (rules.size() > BP_MAX_SHARES)
        return conflict(first, fmt::format(": {} targets share the listen port", rules.size()),
                        fmt::format("up to {} can", BP_MAX_SHARES));
    for (std::size_t i = 1; i < rules.size(); i++)
        if (rules[i - 1]->rule.target().overlaps(rules[i]->rule.target()))
            return conflict(
                *rules[i],
                fmt::format(" conflicts with {}: their targets overlap", rules[i - 1]->to_string()),
                "give each of the rules that share a listen port target ports of its own");
    if (std::ranges::all_of(rules, [](const auto* one) { return one->rule.weight() == 0; }))
        return conflict(first, ": every target of the listen port has weight 0",
                        "give one of them a weight of 1 or more");
    return {};
}

bool same_rules(const Sharing& left, const Sharing& right) {
    return std::ranges::equal(
        left, right, [](const auto* one, const auto* other) { return one->rule == other->rule; });
}

Found find_on_loopback(const ByInterface& shares) {
    const Sharing* before = nullptr;
    for (const auto& [ifindex, rules] : shares) {
        if (std::ranges::none_of(rules, &PlacedRule::serves_loopback)) continue;
        if (before && !same_rules(*before, rules))
            return conflict(
                *rules.front(),
                fmt::format(" conflicts with {}: local clients of 127.0.0.1 and ::1 would have "
                            "other targets or weights",
                            before->front()->to_string()),
                "give both interfaces the same; --no-local leaves local clients out of the new "
                "rules");
        before = &rules;
    }
    return {};
}

} // namespace

std::optional<ShareConflict> find_share_conflict(std::span<const PlacedRule> existing,
                                                 std::span<const PlacedRule> added) {
    std::map<Rule::Listens, ByInterface> all; // those of `added`, and what shares with them
    for (const auto& placed : added)
        if (placed.rule.weight()) all[placed.rule.listens()][placed.ifindex].push_back(&placed);
    for (const auto& placed : existing) {
        if (!placed.rule.weight()) continue;
        if (auto found = all.find(placed.rule.listens()); found != all.end())
            found->second[placed.ifindex].push_back(&placed);
    }
    for (auto& [listens, shares] : all) {
        for (auto& [ifindex, rules] : shares) {
            std::ranges::sort(rules, {}, [](const auto* one) { return one->rule.target(); });
            if (auto found = find_in(rules)) return found;
        }
        if (auto found = find_on_loopback(shares)) return found;
    }
    return {};
}

} // namespace bpfport
