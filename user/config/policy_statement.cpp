// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "config/policy_statement.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "config/policy_keys.hpp"
#include "kernel/netns.hpp"

namespace bpfport {

namespace {

bool is_grant(const PolicyItem& item) { return std::holds_alternative<Grant>(item); }

Rule::Listens listens_of(const PolicyItem& item) {
    if (const auto* rule = std::get_if<Rule>(&item)) return rule->listens();
    const auto& rule = std::get<AutoRule>(item);
    return {rule.protocol, rule.listen, rule.local, ClientSet()};
}

std::optional<std::uint16_t> weight_of(const PolicyItem& item) {
    const auto* rule = std::get_if<Rule>(&item);
    return rule ? rule->weight() : std::nullopt;
}

// One is the other with another target, or with another weight. Rules that share by weight are so many rules.
// Grants have no target.
bool same_rule(const PolicyItem& left, const PolicyItem& right) {
    if (listens_of(left) != listens_of(right)) return false;
    if (!weight_of(left) && !weight_of(right)) return true;
    const auto *one = std::get_if<Rule>(&left), *other = std::get_if<Rule>(&right);
    return one && other && one->target() == other->target();
}

// "blue" is /run/netns/blue.
std::string netns_path(const std::string& text) {
    auto ref = parse_netns(text);
    return text.empty() || !ref ? text : ref->path;
}

// A rule that is in force is named by its target although that was ours to choose.
bool names(const PolicyItem& wanted, const PolicyItem& item) {
    if (to_string(wanted) == to_string(item)) return true;
    const auto *rule = std::get_if<Rule>(&wanted), *other = std::get_if<Rule>(&item);
    if (rule && other) return rule->with_weight({}) == other->with_weight({});
    return rule && std::holds_alternative<AutoRule>(item) && same_rule(wanted, item);
}

bool is_about(const PolicyEdit& edit, const EntryOptions& options, const PolicyItem& item) {
    if (edit.of == PolicyEdit::Of::kGrants) return is_grant(item);
    return !is_grant(item) && netns_path(edit.options.netns) == netns_path(options.netns);
}

// Whether the edit has another item in the place of this one, or none.
bool ends_in_place(const PolicyEdit& edit, const EntryOptions& options, const PolicyItem& item) {
    if (!is_about(edit, options, item)) return false;
    if (edit.kind == PolicyEdit::Kind::kRemove)
        return edit.items.empty() ||
               std::ranges::any_of(edit.items, [&](const auto& one) { return names(one, item); });
    return !is_grant(item) && std::ranges::any_of(edit.items, [&](const auto& one) {
        return same_rule(one, item) && !says(edit, options, item, one);
    });
}

} // namespace

bool is_of_pattern(const Scope& pattern, const Scope& interface) {
    return pattern.kind() == Scope::Kind::kPattern && interface.kind() == Scope::Kind::kInterface &&
           pattern.matches(interface.name());
}

std::string to_string(const PolicyItem& item) {
    return std::visit([](const auto& one) { return one.to_string(); }, item);
}

std::string PolicyStatement::to_string() const {
    return fmt::format("{} on {}", bpfport::to_string(item), scope.to_string());
}

bool ends(const PolicyEdit& edit, const Scope& scope, const EntryOptions& options,
          const PolicyItem& item) {
    if (std::ranges::find(edit.scopes, scope) != edit.scopes.end())
        return ends_in_place(edit, options, item);
    const bool in_pattern = std::ranges::any_of(
        edit.scopes, [&](const Scope& one) { return is_of_pattern(one, scope); });
    if (!in_pattern || !is_about(edit, options, item)) return false;
    // The pattern says it of this interface, too.
    return ends_in_place(edit, options, item) ||
           (edit.kind == PolicyEdit::Kind::kPut &&
            std::ranges::any_of(edit.items, [&](const auto& one) { return names(one, item); }));
}

bool says(const PolicyEdit& edit, const EntryOptions& options, const PolicyItem& item,
          const PolicyItem& wanted) {
    return is_about(edit, options, item) && to_string(item) == to_string(wanted) &&
           (is_grant(item) || same_options(options, edit.options, edit.on_cgroups()));
}

bool is_said(const std::vector<PolicyStatement>& all, const PolicyEdit& edit, const Scope& scope,
             const PolicyItem& wanted) {
    return std::ranges::any_of(all, [&](const PolicyStatement& one) {
        return (one.scope == scope || is_of_pattern(one.scope, scope)) &&
               says(edit, one.options, one.item, wanted);
    });
}

const PolicyItem* replacement(const PolicyEdit& edit, const PolicyItem& item) {
    if (edit.kind != PolicyEdit::Kind::kPut || is_grant(item)) return nullptr;
    auto found = std::ranges::find_if(edit.items,
                                      [&](const PolicyItem& one) { return same_rule(one, item); });
    return found == edit.items.end() ? nullptr : &*found;
}

bool same_options(const EntryOptions& left, const EntryOptions& right, bool on_cgroup) {
    return std::ranges::all_of(policy_keys(), [&](const PolicyKey& key) {
        if (!(key.tables & (on_cgroup ? kInCgroup : kInInterface))) return true;
        if (key.flag)
            return key.flag == &EntryOptions::required || left.*key.flag == right.*key.flag;
        if (key.text == &EntryOptions::netns)
            return netns_path(left.netns) == netns_path(right.netns);
        return !key.text || left.*key.text == right.*key.text;
    });
}

std::vector<Written<PolicyItem>> items_of(const PolicyEntry& entry) {
    std::vector<Written<PolicyItem>> items;
    const auto add = [&](const auto& list) {
        for (const auto& [value, place] : list) items.push_back({value, place});
    };
    add(entry.rules);
    add(entry.autos);
    add(entry.grants);
    return items;
}

std::vector<PolicyStatement> statements(const HostPolicy& policy) {
    std::vector<PolicyStatement> all;
    for (const auto& entry : policy.entries)
        for (const auto& scope : entry.scopes)
            for (auto& item : items_of(entry))
                all.push_back({scope.value, std::move(item.value), entry.options, entry.place});
    return all;
}

Result<std::vector<PolicyStatement>> edited(std::vector<PolicyStatement> all,
                                            const PolicyEdit& edit) {
    std::erase_if(all, [&](const PolicyStatement& one) {
        return ends(edit, one.scope, one.options, one.item);
    });
    for (const auto& one : all)
        for (const auto& scope : edit.scopes)
            if (is_of_pattern(one.scope, scope) && ends_in_place(edit, one.options, one.item))
                return failure(fmt::format("{}, at {}, is for {} as well", one.to_string(),
                                           one.place.to_string(), scope.to_string()),
                               "a file can't except an interface from a pattern; list the "
                               "interfaces there instead");
    if (edit.kind == PolicyEdit::Kind::kRemove) return all;
    for (const auto& scope : edit.scopes)
        for (const auto& item : edit.items) {
            if (!is_said(all, edit, scope, item)) all.push_back({scope, item, edit.options, {}});
        }
    return all;
}

bool say_the_same(const std::vector<PolicyStatement>& left,
                  const std::vector<PolicyStatement>& right) {
    auto texts = [](const std::vector<PolicyStatement>& all) {
        std::set<std::string> result;
        for (const auto& one : all) {
            std::string text = one.to_string();
            if (!is_grant(one.item))
                for (const auto& key : policy_keys()) {
                    if (!(key.tables & (one.scope.is_cgroup() ? kInCgroup : kInInterface)))
                        continue;
                    if (key.flag && key.flag != &EntryOptions::required)
                        text += one.options.*key.flag ? " 1" : " 0";
                    if (key.text == &EntryOptions::netns)
                        text += fmt::format(" {}", netns_path(one.options.netns));
                    else if (key.text)
                        text += fmt::format(" {}", one.options.*key.text);
                }
            result.insert(std::move(text));
        }
        return result;
    };
    return texts(left) == texts(right);
}

} // namespace bpfport
