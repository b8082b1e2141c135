// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/apply_cgroup.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "engine/cgroup_plan.hpp"
#include "engine/engines.hpp"
#include "kernel/netns.hpp"

namespace bpfport {

namespace {

bool same(const PolicyRule& left, const PolicyRule& right) {
    return same_listen(left, right) && left.rule == right.rule && left.flags == right.flags;
}

bool has(const std::vector<PolicyRule>& rules, const PolicyRule& rule) {
    return std::ranges::any_of(rules, [&](const PolicyRule& one) { return same(one, rule); });
}

bool has(const std::vector<Grant>& grants, const Grant& grant) {
    return std::ranges::any_of(grants, [&](const Grant& one) { return one.same(grant); });
}

bool same(const PolicyContent& left, const PolicyContent& right) {
    return left.rules.size() == right.rules.size() && left.grants.size() == right.grants.size() &&
           std::ranges::all_of(left.rules,
                               [&](const auto& rule) { return has(right.rules, rule); }) &&
           std::ranges::all_of(left.grants,
                               [&](const auto& grant) { return has(right.grants, grant); });
}

bool names(const PolicyEntry& entry, const Rule& rule) {
    return std::ranges::any_of(
               entry.rules,
               [&](const auto& one) { return one.value.listens() == rule.listens(); }) ||
           std::ranges::any_of(entry.autos,
                               [&](const auto& one) { return same_listen(one.value, rule); });
}

} // namespace

Result<ApplyCgroups> ApplyCgroups::plan(Store& store, const std::deque<ApplyNetns>& netns,
                                        const Prune& prune) {
    ApplyCgroups made;
    for (const auto& one : netns) made.netns_[one.stage().cookie] = &one.stage();
    if (auto found = made.find_all(store, netns); !found) return std::unexpected(found.error());
    for (auto& planned : made.planned_) made.sort_out(planned, prune);
    for (auto& planned : made.planned_)
        for (const auto& [where, staged] : planned.entries)
            if (auto done = made.want(store, planned, *where, *staged); !done)
                return context(staged->entry->place.to_string(), done.error());
    return made;
}

Result<ApplyCgroups::Planned*> ApplyCgroups::find(Store& store, const CgroupRef& cgroup,
                                                  const std::string& scope) {
    for (auto& planned : planned_)
        if (planned.engine.cgroup().id == cgroup.id) return &planned;
    auto engine = CgroupEngine::open(store, cgroup, scope);
    if (!engine) return std::unexpected(engine.error());
    auto content = engine->content();
    return &planned_.emplace_back(Planned{std::move(*engine), scope, content, content});
}

// Those that the policy names, and those that have something.
Result<void> ApplyCgroups::find_all(Store& store, const std::deque<ApplyNetns>& netns) {
    std::set<std::string> skipped;
    for (const auto& one : netns)
        for (const auto& staged : one.stage().entries) {
            if (!staged.entry->on_cgroup) continue;
            if (!staged.cgroup) {
                skipped.insert(staged.entry->scopes.front().value.to_string());
                continue;
            }
            auto planned = find(store, staged.cgroup->cgroup, staged.cgroup->name);
            if (!planned) return std::unexpected(planned.error());
            (staged.skipped ? (*planned)->skipped : (*planned)->entries)
                .emplace_back(&one, &staged);
        }
    for (const auto& attachment : cgroup_attachments(store, Store::Access::kRead)) {
        const auto scope = attachment.scope();
        if (attachment.is_run() || scope.starts_with("container:") || skipped.contains(scope))
            continue;
        if (auto planned = find(store, attachment.cgroup(), scope); !planned)
            return std::unexpected(planned.error());
    }
    return {};
}

// What no file has: taken out of what will be, or left. Rules of namespaces that no file names are
// not looked at.
void ApplyCgroups::sort_out(Planned& planned, const Prune& prune) const {
    std::erase_if(planned.after.rules, [&](const PolicyRule& rule) {
        if (!netns_.contains(rule.netns_cookie)) return false;
        for (const auto* entries : {&planned.entries, &planned.skipped})
            for (const auto& [where, staged] : *entries)
                if (where->stage().cookie == rule.netns_cookie && names(*staged->entry, rule.rule))
                    return false;
        const bool goes = prune.takes(planned.engine.cgroup().id, rule);
        if (!goes) planned.left.push_back(rule);
        return goes;
    });
    std::erase_if(planned.after.grants, [&](const Grant& grant) {
        for (const auto* entries : {&planned.entries, &planned.skipped})
            for (const auto& [where, staged] : *entries)
                for (const auto& wanted : staged->entry->grants)
                    if (wanted.value.same(grant)) return false;
        const bool goes = prune.takes(planned.engine.cgroup().id, grant);
        if (!goes) planned.left_grants.push_back(grant);
        return goes;
    });
}

std::vector<NamedPolicy> ApplyCgroups::others(const Store& store, const Planned& own) const {
    std::vector<NamedPolicy> planned;
    for (const auto& one : planned_)
        planned.push_back({one.scope, one.engine.cgroup().id, one.after});
    return other_policies(store, own.engine.cgroup().id, planned);
}

Result<void> ApplyCgroups::want(const Store& store, Planned& planned, const ApplyNetns& netns,
                                const StagedEntry& staged) {
    const PolicyEntry& entry = *staged.entry;
    for (const auto& grant : entry.grants)
        if (!has(planned.after.grants, grant.value)) planned.after.grants.push_back(grant.value);
    if (entry.rules.empty() && entry.autos.empty()) return {};
    auto inside = ScopedNetns::enter(netns.stage().handle);
    if (!inside) return std::unexpected(inside.error());
    auto cookie = require_netns_cookie();
    if (!cookie) return std::unexpected(cookie.error());
    CgroupRequest request;
    for (const auto& rule : entry.rules) request.rules.push_back(rule.value);
    for (const auto& rule : entry.autos) request.autos.push_back(rule.value);
    request.netns_cookie = *cookie;
    for (const auto& rule : netns.rules())
        request.avoid.insert(request.avoid.end(), {rule.rule.listen(), rule.rule.target()});
    request.no_local = entry.options.no_local;
    request.force = entry.options.force;
    request.replace = true;
    auto plan =
        plan_cgroup_attach(request, {planned.scope, planned.engine.cgroup().id, planned.after},
                           others(store, planned), netns.facts());
    if (!plan) return std::unexpected(plan.error());
    planned.after.rules = plan->rules;
    plan->each_wanted([&](const PolicyRule& rule) {
        rules_[&entry].push_back(rule.rule);
        planned.wanted.push_back(rule);
    });
    warnings_.insert(warnings_.end(), plan->warnings.begin(), plan->warnings.end());
    return {};
}

std::vector<Rule> ApplyCgroups::rules_of(const PolicyEntry& entry) const {
    auto found = rules_.find(&entry);
    return found == rules_.end() ? std::vector<Rule>{} : found->second;
}

std::vector<Rule> ApplyCgroups::left_in(std::uint64_t netns_cookie) const {
    std::vector<Rule> rules;
    for (const auto& planned : planned_)
        for (const auto& rule : planned.left)
            if (rule.netns_cookie == netns_cookie) rules.push_back(rule.rule);
    return rules;
}

std::string ApplyCgroups::text(const PolicyRule& rule, const Planned& planned) const {
    auto netns = netns_.find(rule.netns_cookie);
    return fmt::format("{} on {}{} ({})", rule.rule.to_string(), planned.scope,
                       netns == netns_.end() ? "" : netns->second->suffix(),
                       cgroup_engine().info().name);
}

void ApplyCgroups::add_lines(ApplyLines& lines) const {
    using What = ApplyLine::What;
    const auto granted = [](const Grant& grant, const Planned& planned) {
        return fmt::format("{} granted to {}", grant.to_string(), planned.scope);
    };
    for (const auto& planned : planned_) {
        for (const auto& rule : planned.wanted) {
            auto old = std::ranges::find_if(planned.before.rules, [&](const PolicyRule& before) {
                return same_listen(before, rule);
            });
            if (old == planned.before.rules.end())
                lines.push_back({What::kAdded, text(rule, planned)});
            else if (same(*old, rule))
                lines.push_back({What::kSame, text(rule, planned)});
            else
                lines.push_back(
                    {What::kChanged,
                     fmt::format("{}, before: {}", text(rule, planned),
                                 old->rule == rule.rule ? "options" : old->rule.to_string())});
        }
        for (const auto& rule : planned.before.rules)
            if (std::ranges::none_of(planned.after.rules, [&](const PolicyRule& after) {
                    return same_listen(after, rule);
                }))
                lines.push_back({What::kRemoved, text(rule, planned)});
        for (const auto& rule : planned.left) lines.push_back({What::kLeft, text(rule, planned)});
        for (const auto& grant : planned.after.grants)
            if (!has(planned.left_grants, grant))
                lines.push_back({has(planned.before.grants, grant) ? What::kSame : What::kAdded,
                                 granted(grant, planned)});
        for (const auto& grant : planned.before.grants)
            if (!has(planned.after.grants, grant))
                lines.push_back({What::kRemoved, granted(grant, planned)});
        for (const auto& grant : planned.left_grants)
            lines.push_back({What::kLeft, granted(grant, planned)});
    }
}

void ApplyCgroups::add_owned(OwnedKeys& keys) const {
    for (const auto& planned : planned_) {
        const auto id = planned.engine.cgroup().id;
        for (const auto& rule : planned.after.rules)
            if (netns_.contains(rule.netns_cookie) &&
                std::ranges::none_of(planned.left,
                                     [&](const auto& left) { return same(left, rule); }))
                keys.insert(owned_key(id, rule));
        for (const auto& grant : planned.after.grants)
            if (!has(planned.left_grants, grant)) keys.insert(owned_key(id, grant));
    }
}

void ApplyCgroups::add_before(BeforeApply& before) const {
    for (const auto& planned : planned_)
        if (!same(planned.before, planned.after))
            before.cgroups.push_back({planned.engine.cgroup(), planned.scope, planned.before});
}

void ApplyCgroups::put(Change& change) {
    bool changed = false;
    for (auto& planned : planned_) {
        if (same(planned.before, planned.after)) continue;
        changed = true;
        change.put(planned.engine, planned.after);
    }
    if (!changed) return;
    // Which addresses are local is noted from within each namespace.
    for (const auto& [cookie, netns] : netns_)
        change.add(
            [&store = change.store(), netns]() -> Result<void> {
                auto inside = ScopedNetns::enter(netns->handle);
                if (!inside) return std::unexpected(inside.error());
                return reconcile_cgroups(store);
            },
            {});
}

} // namespace bpfport
