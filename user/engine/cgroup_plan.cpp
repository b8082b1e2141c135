// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/cgroup_plan.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "engine/theft.hpp"

namespace bpfport {

namespace {

bool listens_overlap(const PolicyRule& left, const PolicyRule& right) {
    return left.netns_cookie == right.netns_cookie &&
           left.rule.protocol() == right.rule.protocol() &&
           left.rule.listen().overlaps(right.rule.listen()) &&
           left.rule.local() == right.rule.local();
}

bool targets_meet(const PolicyRule& left, const PolicyRule& right) {
    return left.netns_cookie == right.netns_cookie &&
           left.rule.protocol() == right.rule.protocol() &&
           left.rule.target().overlaps(right.rule.target());
}

Result<void> check_targets(const std::vector<PolicyRule>& rules,
                           const std::vector<NamedPolicy>& others) {
    for (const auto& rule : rules)
        for (const auto& other : others)
            for (const auto& theirs : other.content.rules)
                if (targets_meet(rule, theirs))
                    return failure(fmt::format("target port {} is that of {} on {}, too",
                                               rule.rule.target().to_string(),
                                               theirs.rule.to_string(), other.scope),
                                   fmt::format("only one of them could bind it; use {}:auto",
                                               rule.rule.listen().to_string()));
    return {};
}

void warn_of_rivals(const PolicyRule& rule, const std::vector<NamedPolicy>& others,
                    std::vector<Warning>& warnings) {
    if (rule.has(BP_POLICY_NO_LOCAL)) return;
    for (const auto& other : others)
        for (const auto& theirs : other.content.rules)
            if (!theirs.has(BP_POLICY_NO_LOCAL) && listens_overlap(rule, theirs)) {
                warnings.push_back(
                    {fmt::format("port {} is claimed by {}, too: other programs' connects to it "
                                 "are left alone",
                                 rule.rule.listen().to_string(), other.scope),
                     "clients inside each cgroup reach its own server; others use the target "
                     "port"});
                return;
            }
}

// Takes its place among the rules there are; nothing is left out silently.
Result<void> place(const PolicyRule& rule, const CgroupRequest& request, CgroupPlan& plan) {
    for (auto& known : plan.rules) {
        if (!listens_overlap(known, rule)) continue;
        if (known.rule == rule.rule && known.flags == rule.flags) {
            plan.kept.push_back(known);
            return {};
        }
        if (!same_listen(known, rule) || !request.replace)
            return failure(fmt::format("{} is attached already", known.rule.to_string()),
                           same_listen(known, rule) ? "use --replace to change its target"
                                                    : "detach it first");
        plan.replaced.emplace_back(known, rule);
        unsigned at = known.place; // with its counters
        known = rule;
        known.place = at;
        return {};
    }
    plan.rules.push_back(rule);
    plan.added.push_back(rule);
    return {};
}

std::vector<PlacedRule> placed_rules(const std::vector<PolicyRule>& rules,
                                     const std::string& scope) {
    std::vector<PlacedRule> placed;
    for (const auto& rule : rules) {
        placed.push_back({rule.rule, 0, rule.has(BP_POLICY_NO_LOCAL), scope});
    }
    return placed;
}

// A server binds each of its ports, before it has clients; of many with one target only the first could
// be bound.
Result<void> check_mapping(const std::vector<Rule>& rules) {
    for (const auto& rule : rules) {
        if (!rule.clients().has_all())
            return failure(fmt::format("{} can't be attached to a cgroup: a server's bind() has no "
                                       "client yet",
                                       rule.to_string()),
                           fmt::format("for some clients only: bpfport attach INTERFACE {}",
                                       rule.to_string()));
        if (rule.weight())
            return failure(
                fmt::format("{} can't be attached to a cgroup: bind() takes one port",
                            rule.to_string()),
                fmt::format("to share clients: bpfport attach INTERFACE {}", rule.to_string()));
        if (rule.one_target())
            return failure(
                fmt::format(
                    "{} can't be attached to a cgroup: bind() of a second listen port would "
                    "find port {} taken",
                    rule.to_string(), rule.target().first),
                fmt::format("{}{}:auto gives each port a target of its own; for clients alone: "
                            "bpfport attach INTERFACE {}",
                            local_text(rule.local()), rule.listen().to_string(), rule.to_string()));
    }
    return {};
}

// Ports that an automatic target must not have.
PortList taken_ports(const CgroupRequest& request, const std::vector<NamedPolicy>& policies,
                     const HostFacts& facts) {
    PortList taken = request.avoid;
    taken.insert(taken.end(), facts.reserved.begin(), facts.reserved.end());
    // A machine that uses every port for connections leaves no choice.
    if (facts.ephemeral.first > 10000) taken.push_back(facts.ephemeral);
    for (const auto& listener : facts.listeners)
        taken.push_back({listener.socket.local_port, listener.socket.local_port});
    for (const auto& policy : policies)
        for (const auto& rule : policy.content.rules) {
            taken.push_back(rule.rule.listen());
            taken.push_back(rule.rule.target());
        }
    return merged(std::move(taken));
}

std::vector<PolicyRule> wanted_rules(const CgroupRequest& request, const NamedPolicy& own,
                                     PortList taken, Result<void>& done) {
    std::vector<PolicyRule> wanted;
    std::uint8_t flags = request.no_local ? BP_POLICY_NO_LOCAL : 0;
    for (const auto& rule : request.rules)
        wanted.push_back({rule, request.netns_cookie, flags, kNoPlace});
    for (const auto& rule : request.autos) {
        // One that was chosen before stays.
        auto known = std::ranges::find_if(own.content.rules, [&](const PolicyRule& old) {
            return old.has(BP_POLICY_AUTO) && old.netns_cookie == request.netns_cookie &&
                   same_listen(rule, old.rule);
        });
        if (known != own.content.rules.end()) {
            wanted.push_back({known->rule, request.netns_cookie,
                              static_cast<std::uint8_t>(flags | BP_POLICY_AUTO), kNoPlace});
            continue;
        }
        auto made = with_target(rule, taken, own.cgroup);
        if (!made) {
            done = std::unexpected(made.error());
            return {};
        }
        taken.push_back(made->target());
        wanted.push_back({*made, request.netns_cookie,
                          static_cast<std::uint8_t>(flags | BP_POLICY_AUTO), kNoPlace});
    }
    return wanted;
}

} // namespace

bool same_listen(const PolicyRule& left, const PolicyRule& right) {
    return left.netns_cookie == right.netns_cookie && left.rule.listens() == right.rule.listens();
}

bool same_listen(const AutoRule& left, const Rule& right) {
    return left.listen == right.listen() && left.protocol == right.protocol() &&
           left.local == right.local();
}

bool takes_from(const PolicyRule& rule, const Socket& socket) {
    return !rule.has(BP_POLICY_NO_LOCAL) && receives(socket, rule.rule, rule.rule.listen());
}

const char* theft_remedy(const PolicyRule&, const Socket&) {
    return "stop it first (if it is the cgroup's own, start it again afterwards), or use --force: "
           "local clients no longer reach it";
}

Result<CgroupPlan> plan_cgroup_attach(const CgroupRequest& request, const NamedPolicy& own,
                                      const std::vector<NamedPolicy>& others,
                                      const HostFacts& facts) {
    if (auto checked = check_mapping(request.rules); !checked)
        return std::unexpected(checked.error());
    CgroupPlan plan;
    plan.rules = own.content.rules;
    auto policies = others;
    policies.push_back(own);
    Result<void> done;
    auto wanted = wanted_rules(request, own, taken_ports(request, policies, facts), done);
    if (!done) return std::unexpected(done.error());
    for (const auto& rule : wanted)
        if (auto placed = place(rule, request, plan); !placed)
            return std::unexpected(placed.error());
    const auto changed = plan.changed();
    if (!request.force) {
        if (auto checked = check_theft(changed, ListenerIndex(facts.listeners)); !checked)
            return std::unexpected(checked.error());
        if (auto checked = check_targets(changed, others); !checked)
            return std::unexpected(checked.error());
    }
    for (const auto& rule : changed) warn_of_rivals(rule, others, plan.warnings);
    auto more = warnings(placed_rules(changed, own.scope), facts.ephemeral, facts.reserved);
    plan.warnings.insert(plan.warnings.end(), more.begin(), more.end());
    return plan;
}

} // namespace bpfport
