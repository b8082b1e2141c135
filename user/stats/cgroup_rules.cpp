// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "stats/cgroup_rules.hpp"

#include "bpfport/meta.h"
#include "bpfport/table.h"

namespace bpfport {

namespace {

std::vector<CallCount> calls_of(const CgroupRuleStatus& rule) {
    std::vector<CallCount> calls{{"bind", "rewritten", rule.counters.binds}};
    if (rule.rule.has(BP_POLICY_NO_LOCAL)) return calls;
    calls.push_back({"connect", "rewritten", rule.counters.connects + rule.neighbours.connects});
    if (rule.rule.rule.protocol() == Protocol::kUdp)
        calls.push_back(
            {"sendmsg", "rewritten", rule.counters.datagrams + rule.neighbours.datagrams});
    return calls;
}

bool guards_port_of(const Guard& guard, const Rule& rule) {
    const auto& ports = guard.entry.kind == BP_GUARD_RESERVE ? rule.listen() : rule.target();
    return guard.protocol == rule.protocol() && ports.contains(guard.port);
}

} // namespace

std::vector<RuleStatus> rules_here(const CgroupSnapshot& snapshot) {
    std::vector<RuleStatus> rules;
    for (const auto& cgroup : snapshot.cgroups)
        for (const auto& one : cgroup.rules) {
            if (!one.here) continue;
            std::uint16_t flags = one.rule.has(BP_POLICY_NO_LOCAL) ? BP_RULE_NO_LOCAL : 0;
            rules.push_back({{0, one.rule.rule, 0, cgroup_engine().info().id, flags, 0, 0},
                             cgroup.scope,
                             {},
                             {},
                             calls_of(one),
                             one.listeners,
                             cgroup.in_force});
        }
    return rules;
}

void add_denials(const CgroupSnapshot& snapshot, std::vector<RuleStatus>& rules) {
    for (auto& rule : rules) {
        bool guarded = false;
        std::uint64_t denied = 0;
        for (const auto& [guard, here, in_force] : snapshot.guards) {
            if (!here || !guards_port_of(guard, rule.rule.rule)) continue;
            guarded = true;
            denied += guard.entry.denied;
        }
        if (guarded) rule.calls.push_back({"bind", "denied", denied});
    }
}

} // namespace bpfport
