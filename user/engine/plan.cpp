// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/plan.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "bpfport/listener.h"
#include "bpfport/meta.h"
#include "engine/theft.hpp"
#include "facts/scope_interfaces.hpp"

namespace bpfport {

namespace {

// The same listen ports in the same place: what --replace changes the target of.
bool same_listen(const InstalledRule& left, const InstalledRule& right) {
    return left.ifindex == right.ifindex && left.rule.listen() == right.rule.listen() &&
           left.rule.protocol() == right.rule.protocol() && left.rule.local() == right.rule.local();
}

bool same(const InstalledRule& left, const InstalledRule& right) {
    constexpr auto kFleeting = static_cast<std::uint16_t>(~BP_RULE_TC_FLOWS);
    return same_listen(left, right) && left.rule == right.rule &&
           (left.flags & kFleeting) == (right.flags & kFleeting) &&
           left.on_absent == right.on_absent && left.engine == right.engine;
}

Result<void> check_theft(const std::vector<InstalledRule>& added, const HostFacts& facts) {
    for (const auto& rule : added)
        for (const auto& listener : facts.listeners)
            if (takes_from(rule, listener.socket))
                return failure(fmt::format("port {} is taken: {}", listener.socket.local_port,
                                           listener.to_string()),
                               theft_remedy(listener.socket));
    return {};
}

std::vector<Warning> absent_warnings(const std::vector<InstalledRule>& added,
                                     const HostFacts& facts) {
    std::vector<Warning> found;
    for (const auto& rule : added) {
        if (rule.has(BP_RULE_FORWARDED)) continue;
        if (target_listeners(rule, facts.listeners).empty())
            found.push_back(
                {fmt::format("no program listens on {} port {} yet",
                             to_string(rule.rule.protocol()), rule.rule.target().to_string()),
                 {}});
    }
    return found;
}

Result<void> check_flags(const AttachRequest& request) {
    if ((request.flags & BP_RULE_FORWARDED) && request.on_absent != BP_ABSENT_RESET)
        return usage_error("--forwarded goes with --on-absent reset only",
                           "whether a program listens on another host can't be seen from here");
    if ((request.flags & BP_RULE_XDP_GENERIC) &&
        !(request.engine && request.engine->takes(kOptionXdpMode)))
        return usage_error("--xdp-mode goes with --engine xdp only", "add --engine xdp");
    return {};
}

// The rule table of this version can't hold these.
Result<void> check_table(const Rule& rule) {
    if (rule.local() && !rule.local()->is_one_address())
        return failure(
            fmt::format("{}: a local prefix on an interface is not served yet", rule.to_string()),
            "write a rule for each address");
    if (rule.one_target())
        return failure(fmt::format("{}: a range to one port on an interface is not served yet",
                                   rule.to_string()),
                       "write a rule for each listen port");
    return {};
}

void note_reason(const ChosenEngine& chosen, std::vector<std::string>& reasons) {
    auto reason = fmt::format("engine {}: {}", engine_name(chosen.engine), chosen.why);
    if (std::ranges::find(reasons, reason) == reasons.end()) reasons.push_back(std::move(reason));
}

} // namespace

PlacedRule placed(const InstalledRule& rule, const std::vector<Interface>& interfaces) {
    return {rule.rule,
            rule.ifindex,
            rule.has(BP_RULE_NO_LOCAL),
            rule.has(BP_RULE_FORWARDED),
            rule.has(BP_RULE_VLAN),
            scope_name(rule.ifindex, interfaces)};
}

std::vector<const Listener*> target_listeners(const InstalledRule& rule,
                                              const std::vector<Listener>& listeners) {
    std::vector<const Listener*> found;
    for (const auto& listener : listeners) {
        const Socket& socket = listener.socket;
        if (socket.protocol != rule.rule.protocol()) continue;
        if (!rule.rule.target().contains(socket.local_port)) continue;
        if (!socket.local.is_any() && !rule.rule.covers(socket.local)) continue;
        found.push_back(&listener);
    }
    return found;
}

Result<Plan> plan_attach(const AttachRequest& request, const std::vector<InstalledRule>& existing,
                         const HostFacts& facts) {
    if (auto checked = check_flags(request); !checked) return std::unexpected(checked.error());
    for (const Rule& rule : request.rules)
        if (auto held = check_table(rule); !held) return std::unexpected(held.error());
    auto indexes = scope_interfaces(request.scopes, facts.interfaces);
    if (!indexes) return std::unexpected(indexes.error());

    Plan plan;
    plan.rules = existing;
    for (unsigned ifindex : *indexes) {
        for (const Rule& rule : request.rules) {
            InstalledRule wanted{0, rule, ifindex, 0, request.flags, request.on_absent, 0};
            // A datagram socket's name is what it is bound to, with every engine.
            if (rule.protocol() == Protocol::kUdp) wanted.flags &= ~BP_RULE_SOCKNAME_LISTEN;
            auto engine = choose_engine(request.engine, wanted, facts);
            if (!engine) return std::unexpected(engine.error());
            note_reason(*engine, plan.reasons);
            wanted.engine = engine->engine;
            wanted.flags |= engine->flags;
            auto place = std::ranges::find_if(
                plan.rules, [&](const auto& other) { return same_listen(other, wanted); });
            if (place == plan.rules.end()) {
                plan.added.push_back(wanted);
                plan.rules.push_back(wanted);
            } else if (same(*place, wanted)) {
                plan.kept.push_back(*place);
            } else if (place->rule.one_target() != rule.one_target()) {
                return failure(fmt::format("{} can't replace {}: open connections would be looked "
                                           "for at the wrong ports",
                                           placed(wanted, facts.interfaces).to_string(),
                                           placed(*place, facts.interfaces).to_string()),
                               "detach that one first");
            } else if (place->rule == wanted.rule || request.replace) {
                wanted.id = place->id;
                wanted.old_target_first = place->rule == wanted.rule ? place->old_target_first
                                                                     : place->rule.target().first;
                wanted.flags |= engine_of(wanted).flags_after(*place, wanted);
                plan.replaced.emplace_back(*place, wanted);
                *place = wanted;
            } else {
                return failure(fmt::format("{} conflicts with {}",
                                           placed(wanted, facts.interfaces).to_string(),
                                           placed(*place, facts.interfaces).to_string()),
                               "--replace changes the target; open connections stay with the old");
            }
        }
    }

    std::vector<PlacedRule> before, after;
    std::vector<InstalledRule> fresh = plan.added;
    for (const auto& [_, rule] : plan.replaced) fresh.push_back(rule);
    for (const auto& rule : plan.rules)
        if (std::ranges::none_of(fresh, [&](const auto& f) { return same(f, rule); }))
            before.push_back(placed(rule, facts.interfaces));
    for (const auto& rule : fresh) after.push_back(placed(rule, facts.interfaces));
    if (auto checked = check_conflicts(before, after); !checked)
        return std::unexpected(checked.error());
    if (!request.force)
        if (auto checked = check_theft(plan.added, facts); !checked)
            return std::unexpected(checked.error());
    plan.warnings = warnings(after, facts.ephemeral, facts.reserved);
    if (request.flags & BP_RULE_XDP_GENERIC)
        plan.warnings.push_back({"generic XDP works on a packet after the kernel has made an skb "
                                 "of it, and copies some: it is not faster than tc",
                                 "leave out --xdp-mode for native XDP, or use --engine tc"});
    std::ranges::move(absent_warnings(fresh, facts), std::back_inserter(plan.warnings));
    return plan;
}

Result<std::vector<InstalledRule>> select_rules(const DetachRequest& request,
                                                const std::vector<InstalledRule>& existing,
                                                const std::vector<Interface>& interfaces) {
    auto indexes = scope_interfaces(request.scopes, interfaces);
    if (!indexes) return std::unexpected(indexes.error());
    std::vector<InstalledRule> selected;
    for (const auto& rule : existing) {
        bool here = indexes->empty() || std::ranges::find(*indexes, rule.ifindex) != indexes->end();
        bool named = request.rules.empty() ||
                     std::ranges::find(request.rules, rule.rule) != request.rules.end();
        if (here && named) selected.push_back(rule);
    }
    for (const Rule& wanted : request.rules)
        if (std::ranges::none_of(selected, [&](const auto& r) { return r.rule == wanted; })) {
            std::string all;
            for (const auto& rule : existing)
                all += (all.empty() ? "" : ", ") + placed(rule, interfaces).to_string();
            return failure(fmt::format("no rule {} is attached there", wanted.to_string()),
                           all.empty() ? "no rule is attached at all" : "attached: " + all);
        }
    return selected;
}

} // namespace bpfport
