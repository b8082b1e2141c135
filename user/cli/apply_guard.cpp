// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/apply_guard.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "kernel/netns.hpp"

namespace bpfport {

namespace {

bool same_port(const Guard& left, const Guard& right) {
    return left.netns_cookie == right.netns_cookie && left.port == right.port &&
           left.protocol == right.protocol;
}

// nullptr: no guard has that port.
const Guard* find(const std::vector<Guard>& all, const Guard& guard) {
    auto found = std::ranges::find_if(all, [&](const Guard& one) { return same_port(one, guard); });
    return found == all.end() ? nullptr : &*found;
}

bool is_for(const std::vector<Rule>& rules, const Guard& guard) {
    return std::ranges::any_of(rules, [&](const Rule& rule) {
        const bool listen = guard.entry.kind == BP_GUARD_RESERVE;
        return rule.protocol() == guard.protocol &&
               (listen ? rule.listen() : rule.target()).contains(guard.port);
    });
}

} // namespace

Result<ApplyGuards> ApplyGuards::plan(const Store& store, const std::deque<ApplyNetns>& netns,
                                      const ApplyCgroups& cgroups) {
    ApplyGuards made;
    made.before_ = guards(store);
    for (const auto& one : netns)
        if (auto done = made.want(one, cgroups); !done) return std::unexpected(done.error());
    return made;
}

Result<void> ApplyGuards::want(const ApplyNetns& netns, const ApplyCgroups& cgroups) {
    auto inside = ScopedNetns::enter(netns.stage().handle);
    if (!inside) return std::unexpected(inside.error());
    std::vector<Rule> all;
    for (const auto& staged : netns.stage().entries) {
        if (staged.skipped) continue;
        auto rules = staged.entry->on_cgroup ? cgroups.rules_of(*staged.entry)
                                             : netns.rules_of(*staged.entry);
        all.insert(all.end(), rules.begin(), rules.end());
        if (staged.guard.empty() || rules.empty()) continue;
        auto wanted = requested_guards(staged.guard, rules);
        if (!wanted) return std::unexpected(wanted.error());
        const bool there = std::ranges::all_of(*wanted, [&](const Guard& guard) {
            const Guard* known = find(before_, guard);
            return known && same_guard(*known, guard);
        });
        if (!there) puts_.push_back({&netns, &staged, {rules, {}}});
        wanted_.insert(wanted_.end(), wanted->begin(), wanted->end());
    }
    sort_out(netns, cgroups, all);
    return {};
}

// A port that a rule of the policy has, and that is not to be kept any more; unless another rule has
// it, which was attached by hand.
void ApplyGuards::sort_out(const ApplyNetns& netns, const ApplyCgroups& cgroups,
                           const std::vector<Rule>& rules) {
    auto left = cgroups.left_in(netns.stage().cookie);
    for (const auto& rule : netns.left()) left.push_back(rule.rule);
    for (const auto& guard : before_)
        if (guard.netns_cookie == netns.stage().cookie && is_for(rules, guard) &&
            !find(wanted_, guard) && !is_for(left, guard))
            removed_.push_back(guard);
}

void ApplyGuards::add_lines(ApplyLines& lines) const {
    using What = ApplyLine::What;
    std::map<std::tuple<What, std::string, Protocol>, PortList> ports;
    auto add = [&](What what, const Guard& guard) {
        ports[{what, guard.owner_text(), guard.protocol}].push_back({guard.port, guard.port});
    };
    for (const auto& guard : wanted_) {
        const Guard* known = find(before_, guard);
        add(!known                      ? What::kAdded
            : same_guard(*known, guard) ? What::kSame
                                        : What::kChanged,
            guard);
    }
    for (const auto& guard : removed_) add(What::kRemoved, guard);
    for (auto& [key, list] : ports) {
        const auto& [what, owner, protocol] = key;
        lines.push_back(
            {what, fmt::format("{} port {} may be bound by {} alone", to_string(protocol),
                               to_string(merged(std::move(list))), owner)});
    }
}

void ApplyGuards::put(Change& change) {
    if (puts_.empty() && removed_.empty()) return;
    Store& store = change.store();
    change.add([] { return Result<void>{}; },
               [this, &store] { return set_guards(store, before_); });
    for (const auto& one : puts_)
        change.add(
            [&one, &store]() -> Result<void> {
                auto inside = ScopedNetns::enter(one.netns->stage().handle);
                if (!inside) return std::unexpected(inside.error());
                auto done = put_guards(store, one.entry->guard, one.rules, one.netns->facts());
                if (done) return done;
                return context(one.entry->entry->place.to_string(), done.error());
            },
            {});
    if (removed_.empty()) return;
    change.add(
        [this, &store] {
            auto after = guards(store);
            std::erase_if(after, [&](const Guard& guard) { return find(removed_, guard); });
            return set_guards(store, after);
        },
        {});
}

} // namespace bpfport
