// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/plan.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "bpfport/listener.h"
#include "bpfport/meta.h"
#include "engine/rule_ports.hpp"
#include "engine/theft.hpp"
#include "facts/scope_interfaces.hpp"

namespace bpfport {

namespace {

bool same(const RuleSpec& left, const RuleSpec& right) {
    constexpr auto kFleeting = static_cast<std::uint16_t>(~BP_RULE_TC_FLOWS);
    return left.ifindex == right.ifindex && left.rule == right.rule &&
           (left.flags & kFleeting) == (right.flags & kFleeting) &&
           left.on_absent == right.on_absent && left.engine == right.engine;
}

// One for each rule, as long as they can be read; else one for each protocol.
std::vector<Warning> absent_warnings(const std::vector<RuleSpec>& added,
                                     const ListenerIndex& listeners) {
    constexpr std::size_t kReadable = 10;
    std::map<Protocol, PortList> absent;
    std::size_t count = 0;
    for (const auto& rule : added) {
        if (rule.has(BP_RULE_FORWARDED) || !target_listeners(rule, listeners).empty()) continue;
        absent[rule.rule.protocol()].push_back(rule.rule.target());
        count++;
    }
    std::vector<Warning> found;
    for (auto& [protocol, ports] : absent) {
        if (count > kReadable) ports = merged(std::move(ports));
        if (ports.size() > kReadable)
            found.push_back(
                {fmt::format("no program listens on {} ports {} and {} other ranges yet",
                             to_string(protocol),
                             to_string(PortList(ports.begin(), ports.begin() + kReadable)),
                             ports.size() - kReadable),
                 {}});
        else
            for (PortRange range : ports)
                found.push_back({fmt::format("no program listens on {} port {} yet",
                                             to_string(protocol), range.to_string()),
                                 {}});
    }
    return found;
}

void note_reason(const ChosenEngine& chosen, std::vector<std::string>& reasons) {
    auto reason = fmt::format("engine {}: {}", engine_name(chosen.engine), chosen.why);
    if (std::ranges::find(reasons, reason) == reasons.end()) reasons.push_back(std::move(reason));
}

// What is asked for, with engines.
Result<std::vector<RuleSpec>> with_engines(const std::vector<WantedRule>& all,
                                           const HostFacts& facts,
                                           std::vector<std::string>& reasons) {
    std::vector<RuleSpec> rules;
    for (const auto& [rule, ifindex, options] : all) {
        RuleSpec wanted{0, rule, ifindex, 0, options->flags, options->on_absent, 0};
        // A datagram socket's name is what it is bound to, with every engine, and it has no one peer.
        if (rule.protocol() == Protocol::kUdp)
            wanted.flags &= ~(unsigned{BP_RULE_SOCKNAME_LISTEN} | BP_RULE_ORIGINAL_DST);
        auto engine = choose_engine(options->engine, wanted, facts);
        if (!engine) return std::unexpected(engine.error());
        note_reason(*engine, reasons);
        wanted.engine = engine->engine;
        wanted.flags |= engine->flags;
        rules.push_back(wanted);
    }
    return rules;
}

// Puts rules among those that are in force. Of many, so each is found by its key.
class Merge {
  public:
    Merge(Plan& plan, const std::vector<RuleSpec>& wanted) : plan_(plan) {
        const RulePorts ports(wanted, RulePorts::Which::kListen);
        std::set<ListenKey> keys;
        for (const auto& rule : wanted) keys.insert({listen_key(rule), other_listen_key(rule)});
        for (std::size_t at = 0; at < plan.rules.size(); at++) {
            if (!ports.has_listen_port_of(plan.rules[at])) continue;
            if (auto key = keys.find(listen_key(plan.rules[at])); key != keys.end())
                places_.emplace(*key, at);
        }
    }

    Result<void> put(RuleSpec wanted, const AttachRequest& request, const HostFacts& facts) {
        auto known = find_same_rule(
            places_, wanted, [&](std::size_t at) -> const Rule& { return plan_.rules[at].rule; });
        if (known == places_.end()) {
            places_.emplace(listen_key(wanted), plan_.rules.size());
            fresh_.insert(plan_.rules.size());
            plan_.added.push_back(wanted);
            plan_.rules.push_back(wanted);
            return {};
        }
        const std::size_t at = known->second;
        RuleSpec& place = plan_.rules[at];
        if (same(place, wanted)) {
            plan_.kept.push_back(place);
            return {};
        }
        if (auto fits = check_replace(at, wanted, request, facts); !fits) return fits;
        wanted.id = place.id;
        wanted.old_target_first = place.rule.target() == wanted.rule.target()
                                      ? place.old_target_first
                                      : place.rule.target().first;
        wanted.flags |= engine_of(wanted).flags_after(place, wanted);
        plan_.replaced.emplace_back(place, wanted);
        place = wanted;
        fresh_.insert(at);
        return {};
    }

    // Places in plan.rules of what is added or changed.
    [[nodiscard]] const std::set<std::size_t>& fresh() const { return fresh_; }

  private:
    Result<void> check_replace(std::size_t at, const RuleSpec& wanted, const AttachRequest& request,
                               const HostFacts& facts) const {
        const RuleSpec& place = plan_.rules[at];
        const auto now = placed(wanted, facts.interfaces).to_string();
        const auto before = placed(place, facts.interfaces).to_string();
        if (place.rule.one_target() != wanted.rule.one_target())
            return failure(fmt::format("{} can't replace {}: open connections would be looked for "
                                       "at the wrong ports",
                                       now, before),
                           "detach that one first");
        const auto conflict = fmt::format("{} conflicts with {}", now, before);
        if (fresh_.contains(at)) // both are asked for
            return failure(conflict, "keep one of the two, or give targets that differ a weight "
                                     "each, such as 80:3000*95,4000*5");
        if (place.rule.target() == wanted.rule.target() || request.replace) return {};
        return failure(conflict,
                       "--replace changes the target; open connections stay with the old");
    }

    Plan& plan_;
    std::map<ListenKey, std::size_t> places_; // in plan.rules
    std::set<std::size_t> fresh_;
};

// What is added or changed against all that is in force.
Result<void> check_against_others(const Plan& plan, const std::set<std::size_t>& fresh,
                                  const std::vector<RuleSpec>& changed,
                                  const std::vector<PlacedRule>& after, const HostFacts& facts) {
    const RulePorts ports(changed, RulePorts::Which::kAll);
    std::vector<PlacedRule> before;
    for (std::size_t at = 0; at < plan.rules.size(); at++) {
        const RuleSpec& rule = plan.rules[at];
        if (!ports.has_listen_port_of(rule) && !ports.has_target_port_of(rule)) continue;
        if (!fresh.contains(at)) before.push_back(placed(rule, facts.interfaces));
    }
    return check_conflicts(before, after);
}

} // namespace

ListenKey listen_key(const RuleSpec& rule) {
    return {rule.ifindex, rule.rule.listens(), rule.rule.weight() ? rule.rule.target().first : 0};
}

ListenKey other_listen_key(const RuleSpec& rule) {
    return {rule.ifindex, rule.rule.listens(), rule.rule.weight() ? 0 : rule.rule.target().first};
}

PlacedRule placed(const RuleSpec& rule, const std::vector<Interface>& interfaces) {
    return {rule.rule, rule.ifindex, rule.has(BP_RULE_NO_LOCAL),
            scope_name(rule.ifindex, interfaces)};
}

bool receives(const Socket& socket, const Rule& rule, PortRange ports) {
    return socket.protocol == rule.protocol() && ports.contains(socket.local_port) &&
           (socket.local.is_any() || rule.covers(socket.local));
}

bool gives_to(const RuleSpec& rule, const Socket& socket) {
    return receives(socket, rule.rule, rule.rule.target());
}

std::vector<const Listener*> target_listeners(const RuleSpec& rule,
                                              const ListenerIndex& listeners) {
    std::vector<const Listener*> found;
    for (const Listener* listener : listeners.on(rule.rule.protocol(), rule.rule.target()))
        if (gives_to(rule, listener->socket)) found.push_back(listener);
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

Result<void> check_weight(const Rule& rule, const AttachRequest& request) {
    if (rule.weight() && (request.flags & BP_RULE_FORWARDED))
        return usage_error(
            fmt::format("{}: a weight does not go with --forwarded", rule.to_string()),
            "what is forwarded has no socket here that would keep a connection at "
            "its target");
    if (!rule.weight() && request.on_absent == BP_ABSENT_NEXT)
        return usage_error(
            fmt::format("{}: --on-absent next is for targets with weights", rule.to_string()),
            "give each target of the listen port one, such as 80:3000*95,4000*5");
    return {};
}

Result<Plan> plan_attach(const AttachRequest& request, const std::vector<RuleSpec>& existing,
                         const HostFacts& facts) {
    auto indexes = scope_interfaces(request.scopes, facts.interfaces);
    if (!indexes) return std::unexpected(indexes.error());
    std::vector<WantedRule> wanted;
    for (unsigned ifindex : *indexes)
        for (const Rule& rule : request.rules) wanted.push_back({rule, ifindex, &request});
    return plan_rules(wanted, existing, facts);
}

Result<Plan> plan_rules(const std::vector<WantedRule>& wanted,
                        const std::vector<RuleSpec>& existing, const HostFacts& facts) {
    bool generic = false;
    for (const auto& one : wanted) {
        if (auto checked = check_flags(*one.options); !checked)
            return std::unexpected(checked.error());
        if (auto checked = check_weight(one.rule, *one.options); !checked)
            return std::unexpected(checked.error());
        generic |= (one.options->flags & BP_RULE_XDP_GENERIC) != 0;
    }
    Plan plan;
    plan.rules = existing;
    auto rules = with_engines(wanted, facts, plan.reasons);
    if (!rules) return std::unexpected(rules.error());
    Merge merge(plan, *rules);
    std::vector<RuleSpec> robbing; // listeners of their listen ports are in the way
    for (std::size_t i = 0; i < wanted.size(); i++) {
        const std::size_t added = plan.added.size();
        if (auto put = merge.put((*rules)[i], *wanted[i].options, facts); !put)
            return std::unexpected(put.error());
        if (plan.added.size() > added && !wanted[i].options->force)
            robbing.push_back(plan.added.back());
    }

    std::vector<RuleSpec> fresh;
    std::vector<PlacedRule> after;
    for (std::size_t at : merge.fresh()) {
        fresh.push_back(plan.rules[at]);
        after.push_back(placed(plan.rules[at], facts.interfaces));
    }
    if (auto checked = check_against_others(plan, merge.fresh(), fresh, after, facts); !checked)
        return std::unexpected(checked.error());
    const ListenerIndex listeners(facts.listeners);
    if (auto checked = check_theft(robbing, listeners); !checked)
        return std::unexpected(checked.error());
    plan.warnings = warnings(after, facts.ephemeral, facts.reserved);
    if (generic)
        plan.warnings.push_back({"generic XDP works on a packet after the kernel has made an skb "
                                 "of it, and copies some: it is not faster than tc",
                                 "leave out --xdp-mode for native XDP, or use --engine tc"});
    std::ranges::move(absent_warnings(fresh, listeners), std::back_inserter(plan.warnings));
    return plan;
}

} // namespace bpfport
