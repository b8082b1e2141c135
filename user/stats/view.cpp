// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "stats/view.hpp"

#include <algorithm>
#include <iterator>

#include "kernel/netns.hpp"

namespace bpfport {

namespace {

bool concerns_here(const Store& store) {
    auto netns = current_netns_inode();
    return (netns && store.has(instance_name(*netns))) || store.has(kGuardDirectory) ||
           std::ranges::any_of(store.entries(), [](const std::string& entry) {
               std::uint64_t id = 0;
               return parse_cgroup_attachment_name(entry, id);
           });
}

bool guards_port_of(const Guard& guard, const Rule& rule) {
    const auto& ports = guard.entry.kind == BP_GUARD_RESERVE ? rule.listen() : rule.target();
    return guard.protocol == rule.protocol() && ports.contains(guard.port);
}

Result<View> read_view(const Store& store, const HostFacts& host) {
    auto interfaces = take_snapshot(store, host);
    if (!interfaces) return std::unexpected(interfaces.error());
    auto cgroups = take_cgroup_snapshot(store, host);
    if (!cgroups) return std::unexpected(cgroups.error());
    return View{std::move(*interfaces), std::move(*cgroups), {}};
}

} // namespace

std::vector<RuleView> View::rules() const {
    auto rules = interfaces ? interfaces->rules : std::vector<RuleView>{};
    for (const auto& cgroup : cgroups.cgroups)
        std::ranges::copy_if(cgroup.rules, std::back_inserter(rules),
                             [](const RuleView& rule) { return rule.cgroup->here; });
    for (auto& rule : rules)
        for (const auto& [guard, here, in_force] : cgroups.guards)
            if (here && guards_port_of(guard, rule.rule.rule))
                rule.denied = rule.denied.value_or(0) + guard.entry.denied;
    return rules;
}

Result<View> take_view(const Store& store, HostFacts host) {
    auto view = store.undisturbed([&] { return read_view(store, host); });
    if (view) view->host = std::move(host);
    return view;
}

Result<View> take_view(const Store& store, Owners owners) {
    if (!concerns_here(store)) return View{};
    auto host = host_facts(owners);
    if (!host) return std::unexpected(host.error());
    return take_view(store, std::move(*host));
}

} // namespace bpfport
