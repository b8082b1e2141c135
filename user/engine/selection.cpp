// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/selection.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/plan.hpp"
#include "facts/scope_interfaces.hpp"

namespace bpfport {

NamedRules::NamedRules(const std::vector<Rule>& rules) : rules_(rules) {
    for (const Rule& rule : rules_) names_.insert(rule.with_weight({}));
}

bool NamedRules::take(const Rule& rule) {
    if (names_.empty()) return true;
    const Rule name = rule.with_weight({});
    if (!names_.contains(name)) return false;
    taken_.insert(name);
    return true;
}

Result<void> NamedRules::all_taken(std::string_view where, std::size_t count,
                                   const std::function<std::string(std::size_t)>& text) const {
    constexpr std::size_t kListed = 16;
    for (const Rule& rule : rules_) {
        if (taken_.contains(rule.with_weight({}))) continue;
        const auto message = fmt::format("{} is not attached {}", rule.to_string(), where);
        if (count == 0) return failure(message, "no rule is attached at all");
        std::vector<std::string> names;
        for (std::size_t at = 0; at < std::min(count, kListed); at++) names.push_back(text(at));
        return failure(
            message, fmt::format("attached: {}{}", fmt::join(names, ", "),
                                 count > kListed
                                     ? fmt::format(" and {} more (bpfport status)", count - kListed)
                                     : ""));
    }
    return {};
}

Result<std::vector<RuleSpec>> select_rules(const DetachRequest& request,
                                           const std::vector<RuleSpec>& existing,
                                           const std::vector<Interface>& interfaces) {
    auto indexes = scope_interfaces(request.scopes, interfaces);
    if (!indexes) return std::unexpected(indexes.error());
    NamedRules named(request.rules);
    std::vector<RuleSpec> selected;
    for (const auto& rule : existing) {
        bool here = indexes->empty() || std::ranges::find(*indexes, rule.ifindex) != indexes->end();
        if (here && named.take(rule.rule)) selected.push_back(rule);
    }
    auto text = [&](std::size_t at) { return placed(existing[at], interfaces).to_string(); };
    if (auto all = named.all_taken("there", existing.size(), text); !all)
        return std::unexpected(all.error());
    return selected;
}

} // namespace bpfport
