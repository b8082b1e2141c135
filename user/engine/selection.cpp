// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "engine/plan.hpp"
#include "facts/scope_interfaces.hpp"

namespace bpfport {

namespace {

std::string attached_text(const std::vector<RuleSpec>& rules,
                          const std::vector<Interface>& interfaces) {
    constexpr std::size_t kNamed = 16;
    if (rules.empty()) return "no rule is attached at all";
    std::vector<std::string> names;
    for (std::size_t i = 0; i < std::min(rules.size(), kNamed); i++)
        names.push_back(placed(rules[i], interfaces).to_string());
    return fmt::format("attached: {}{}", fmt::join(names, ", "),
                       rules.size() > kNamed
                           ? fmt::format(" and {} more (bpfport status)", rules.size() - kNamed)
                           : "");
}

} // namespace

Result<std::vector<RuleSpec>> select_rules(const DetachRequest& request,
                                           const std::vector<RuleSpec>& existing,
                                           const std::vector<Interface>& interfaces) {
    auto indexes = scope_interfaces(request.scopes, interfaces);
    if (!indexes) return std::unexpected(indexes.error());
    std::set<Rule> named; // a rule is named by its ports, whatever its weight is
    for (const Rule& rule : request.rules) named.insert(rule.with_weight({}));
    std::vector<RuleSpec> selected;
    std::set<Rule> found;
    for (const auto& rule : existing) {
        bool here = indexes->empty() || std::ranges::find(*indexes, rule.ifindex) != indexes->end();
        const Rule name = rule.rule.with_weight({});
        if (!here || !(named.empty() || named.contains(name))) continue;
        selected.push_back(rule);
        if (!named.empty()) found.insert(name);
    }
    for (const Rule& wanted : request.rules)
        if (!found.contains(wanted.with_weight({})))
            return failure(fmt::format("no rule {} is attached there", wanted.to_string()),
                           attached_text(existing, interfaces));
    return selected;
}

} // namespace bpfport
