// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/share_places.hpp"

#include <utility>

namespace bpfport {

namespace {

using Sharing = std::vector<const RuleSpec*>;

// One that drains gets no new connection.
std::vector<Share> shares_of(const Sharing& rules) {
    std::vector<Share> shares;
    for (const auto* rule : rules)
        shares.push_back(
            {rule->id, rule->has(BP_RULE_DRAINING) ? 0U : rule->rule.weight().value_or(0)});
    return shares;
}

} // namespace

SharePlaces::SharePlaces(SpanStore& store, const std::vector<RuleSpec>& rules) {
    std::map<std::pair<unsigned, Rule::Listens>, Sharing> all;
    for (const auto& rule : rules)
        if (rule.rule.weight()) all[{rule.ifindex, rule.rule.listens()}].push_back(&rule);
    for (const auto& [listens, sharing] : all) {
        if (sharing.size() == 1) continue;
        const auto index = store.add(shares_of(sharing));
        for (const auto* rule : sharing) places_[rule] = {index, rule != sharing.front()};
    }
}

std::uint32_t SharePlaces::of(const RuleSpec& rule) const {
    auto found = places_.find(&rule);
    return found == places_.end() ? 0 : found->second.index;
}

bool SharePlaces::is_represented(const RuleSpec& rule) const {
    auto found = places_.find(&rule);
    return found != places_.end() && found->second.represented;
}

} // namespace bpfport
