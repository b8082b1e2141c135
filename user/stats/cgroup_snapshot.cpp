// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "stats/cgroup_snapshot.hpp"

#include <algorithm>

#include "engine/root_hooks.hpp"
#include "kernel/bpf.hpp"
#include "kernel/map.hpp"
#include "kernel/netns.hpp"
#include "state/cgroup_attachment.hpp"

namespace bpfport {

namespace {

// Of each rule's ports: the other claims, and what neighbours sent there.
void add_claims(const PolicyRule& rule, const Claims& claims,
                const std::map<bp_claim_key, ClaimCount, ClaimOrder>& counts, CgroupUse& use) {
    if (rule.has(BP_POLICY_NO_LOCAL)) return; // it claims nothing
    for (unsigned port = rule.rule.listen().first; port <= rule.rule.listen().last; port++) {
        const auto key = claim_key(rule, static_cast<std::uint16_t>(port));
        auto claimed = claims.find(key);
        if (claimed == claims.end()) continue;
        const bool alone = claimed->second.size() == 1;
        if (!alone) use.contested = true;
        auto count = counts.find(key);
        if (count == counts.end()) {
            use.overflow |= alone;
            continue;
        }
        use.neighbours.connects += count->second.connects;
        use.neighbours.datagrams += count->second.datagrams;
    }
}

// As a rule of an interface is shown.
RuleView view_of(const PolicyRule& rule, const CgroupStatus& cgroup, bool here,
                 const ListenerIndex& listeners) {
    const std::uint16_t flags = rule.has(BP_POLICY_NO_LOCAL) ? BP_RULE_NO_LOCAL : 0;
    RuleView view{.rule = {0, rule.rule, 0, cgroup_engine().info().id, flags, 0, 0},
                  .scope = cgroup.scope,
                  .in_force = cgroup.in_force,
                  .cgroup = CgroupUse{
                      .here = here, .automatic = rule.has(BP_POLICY_AUTO), .run = cgroup.run}};
    if (here)
        for (const Listener* listener : target_listeners(view.rule, listeners))
            view.listeners.push_back(*listener);
    return view;
}

CgroupStatus describe(const CgroupAttachment& attachment) {
    CgroupStatus status;
    status.scope = attachment.scope();
    status.path = attachment.cgroup().path;
    status.cgroup = attachment.meta().cgroup;
    status.in_force = attachment.complete();
    status.run = attachment.is_run();
    status.processes = processes_in(attachment.cgroup().directory).size();
    return status;
}

} // namespace

Result<CgroupSnapshot> take_cgroup_snapshot(const Store& store, const HostFacts& facts) {
    CgroupSnapshot snapshot;
    auto attachments = cgroup_attachments(store, Store::Access::kRead);
    auto all_guards = guards(store);
    if (attachments.empty() && all_guards.empty()) return snapshot;
    std::uint64_t here = current_netns_cookie();
    auto claims = claims_of(attachments);
    auto counts = claim_counts(store);
    const ListenerIndex listeners(facts.listeners);
    for (const auto& attachment : attachments) {
        auto calls = open_pin(attachment.path() / pins::kCalls);
        if (!calls) continue; // it goes at this moment
        CgroupStatus status = describe(attachment);
        auto content = attachment.content();
        for (const auto& rule : content.rules) {
            auto counters = sum_cpus<bp_policy_counters>(*calls, rule.place);
            if (!counters) return std::unexpected(counters.error());
            auto view = view_of(rule, status, rule.netns_cookie == here, listeners);
            view.cgroup->counters = *counters;
            add_claims(rule, claims, counts, *view.cgroup);
            status.rules.push_back(std::move(view));
        }
        for (const auto& grant : content.grants) {
            auto counters = sum_cpus<bp_policy_counters>(*calls, BP_POLICY_RULES + grant.place);
            if (!counters) return std::unexpected(counters.error());
            status.grants.push_back({grant, counters->binds});
        }
        snapshot.cgroups.push_back(std::move(status));
    }
    bool guarded = root_programs_alive(store, kGuardPrograms);
    for (const auto& guard : all_guards)
        snapshot.guards.push_back({guard, guard.netns_cookie == here, guarded});
    if (claims.empty()) return snapshot;
    snapshot.neighbours_in_force = root_programs_alive(store, kLocalClientPrograms);
    if (std::ranges::any_of(claims,
                            [&](const auto& claim) { return netns_of(claim.first) == here; })) {
        snapshot.unserved = unserved_addresses(store);
        snapshot.departed = departed_addresses(store);
    }
    return snapshot;
}

} // namespace bpfport
