// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "doctor/cgroup_checks.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "doctor/rule_checks.hpp"

namespace bpfport {

namespace {

constexpr auto kAgain = "run the attach or grant command again";

void check_rule(const RuleView& rule, const HostFacts& facts, Findings& findings) {
    const Rule& ports = rule.rule.rule;
    auto add = [&](Severity severity, std::string text, std::string remedy = {}) {
        findings.push_back({severity, subject_of(rule), std::move(text), std::move(remedy)});
    };
    if (rule.listeners.empty())
        add(Severity::kBroken,
            fmt::format("no program listens on {} port {}: clients are refused",
                        to_string(ports.protocol()), ports.target().to_string()),
            "start the program in the cgroup; one that ran before the attach is started again");
    else
        add(Severity::kOk, rule.listeners.front().to_string());
    if (rule.cgroup->contested)
        add(Severity::kNote,
            "another cgroup claims the listen port, too: only clients inside each cgroup reach it",
            "let the others use the target port");
    if (rule.cgroup->overflow)
        add(Severity::kWarning,
            "there are more claimed ports than the kernel's map holds: connects of other programs "
            "to some of this rule's listen ports are not redirected",
            "use smaller ranges, or --no-local for those that only the cgroup itself needs");
    if (rule.rule.has(BP_RULE_NO_LOCAL)) return;
    for (const auto& listener : facts.listeners)
        if (listener.socket.protocol == ports.protocol() &&
            ports.listen().contains(listener.socket.local_port))
            add(Severity::kWarning,
                fmt::format("{}, but new local clients go to {}", listener.to_string(),
                            ports.target_of(listener.socket.local_port)),
                "if it is the cgroup's own, start it again; else stop it, or detach the rule");
}

void check_cgroup(const CgroupStatus& cgroup, const HostFacts& facts, Findings& findings) {
    if (!cgroup.in_force)
        findings.push_back({Severity::kBroken, cgroup.scope,
                            "not in force: the kernel does not run all of its programs", kAgain});
    for (const auto& rule : cgroup.rules)
        if (rule.cgroup->here) check_rule(rule, facts, findings);
    for (const auto& grant : cgroup.grants)
        findings.push_back({Severity::kOk,
                            cgroup.scope,
                            fmt::format("{} may be bound by its {} processes",
                                        grant.grant.to_string(), cgroup.processes),
                            {}});
}

} // namespace

void check_cgroups(const CgroupSnapshot& snapshot, const HostFacts& facts, Findings& findings) {
    for (const auto& cgroup : snapshot.cgroups) check_cgroup(cgroup, facts, findings);
    if (!snapshot.neighbours_in_force)
        findings.push_back({Severity::kBroken, "root cgroup",
                            "not in force: connects of other programs to cgroups' listen ports "
                            "are left alone",
                            kAgain});
    for (const auto& address : snapshot.unserved)
        findings.push_back({Severity::kWarning, fmt::format("address {}", address),
                            "it came after the rules of cgroups: connects to it are left alone",
                            kAgain});
    for (const auto& address : snapshot.departed)
        findings.push_back({Severity::kWarning, fmt::format("address {}", address),
                            "it has left this host: connects to it still go to the target port",
                            kAgain});
    for (const auto& [guard, here, in_force] : snapshot.guards)
        if (!in_force)
            findings.push_back({Severity::kBroken, fmt::format("port {}", guard.port_text()),
                                "not guarded: the kernel does not run the guard's programs",
                                kAgain});
}

} // namespace bpfport
