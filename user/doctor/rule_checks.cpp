// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "doctor/rule_checks.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bpfport/meta.h"
#include "engine/place.hpp"
#include "engine/signed_rules.hpp"
#include "engine/sklookup_engine.hpp"
#include "engine/sockname.hpp"
#include "engine/theft.hpp"
#include "rule/conflict.hpp"

namespace bpfport {

namespace {

void add(Findings& findings, Severity severity, const RuleView& rule, std::string text,
         std::string remedy = {}) {
    findings.push_back({severity, subject_of(rule), std::move(text), std::move(remedy)});
}

std::string target_text(const RuleView& rule) {
    return fmt::format("{} port {}", to_string(rule.rule.rule.protocol()),
                       rule.rule.rule.target().to_string());
}

bool serves_v4(const Socket& socket) {
    return !socket.ipv6 || socket.local.is_v4() ||
           (socket.local.is_any() && !socket.v6only.value_or(false));
}

bool serves_v6(const Socket& socket) { return socket.ipv6 && !socket.local.is_v4(); }

// Whether remote clients, whose packets are for an address of an interface, reach it.
bool reaches_remote(const Socket& socket) { return !socket.local.is_loopback(); }

// Some rule that shares the listen port has a target that serves.
bool another_serves(const RuleView& rule, const std::vector<RuleView>& all) {
    return std::ranges::any_of(all, [&](const RuleView& other) {
        return &other != &rule && other.rule.shares_with(rule.rule) && !other.listeners.empty();
    });
}

void check_absence(const RuleView& rule, const std::vector<RuleView>& all, Findings& findings) {
    const bool next = rule.rule.on_absent == BP_ABSENT_NEXT && another_serves(rule, all);
    const char* outcome = next                                    ? "clients get another target"
                          : rule.rule.on_absent == BP_ABSENT_DROP ? "clients get no answer"
                          : rule.rule.on_absent == BP_ABSENT_PASS ? "packets are left alone"
                                                                  : "clients are refused";
    add(findings, next ? Severity::kWarning : Severity::kBroken, rule,
        fmt::format("no program listens on {}: {}", target_text(rule), outcome),
        fmt::format("start the program that serves {}", target_text(rule)));
}

void check_listeners(const RuleView& rule, const NetworkFacts& facts, Findings& findings) {
    if (rule.listeners.empty() || rule.rule.has(BP_RULE_FORWARDED)) return;
    auto& first = rule.listeners.front();
    auto remote = [](const Listener& listener) { return reaches_remote(listener.socket); };
    bool loopback_rule = facts.host.interfaces.end() !=
                         std::ranges::find_if(facts.host.interfaces, [&](const Interface& one) {
                             return one.ifindex == rule.rule.ifindex && one.is_loopback();
                         });
    if (!loopback_rule && std::ranges::none_of(rule.listeners, remote)) {
        add(findings, Severity::kBroken, rule,
            fmt::format("{}, where only clients on this host reach it", first.to_string()),
            "let the program listen on 0.0.0.0 or [::], or on the interface's address");
        return;
    }
    bool v4 = std::ranges::any_of(rule.listeners, [](auto& l) { return serves_v4(l.socket); });
    bool v6 = std::ranges::any_of(rule.listeners, [](auto& l) { return serves_v6(l.socket); });
    bool for_v4 = !rule.rule.rule.local() || rule.rule.rule.local()->is_v4();
    bool for_v6 = !rule.rule.rule.local() || !rule.rule.rule.local()->is_v4();
    add(findings, Severity::kOk, rule, first.to_string());
    if (for_v4 && !v4)
        add(findings, Severity::kWarning, rule,
            fmt::format("IPv4 clients are refused: no program listens on {} for IPv4",
                        target_text(rule)),
            "let the program listen on 0.0.0.0 too");
    if (for_v6 && !v6)
        add(findings, rule.rule.rule.local() ? Severity::kBroken : Severity::kNote, rule,
            fmt::format("IPv6 clients are refused: no program listens on {} for IPv6",
                        target_text(rule)),
            "let the program listen on [::] too");
}

// Programs that can't be steered to.
void check_steering(const RuleView& rule, Findings& findings) {
    if (!rule.by_tc) return;
    auto [word, why] = why_unsteerable(rule.listeners);
    auto text = fmt::format("what listens on {} {}", target_text(rule), why);
    if (rule.rule.has(BP_RULE_FALLBACK))
        add(findings, Severity::kNote, rule, text + ": tc serves it in place of sklookup");
    else
        add(findings, Severity::kBroken, rule, text,
            fmt::format("attach it with --engine auto{}",
                        std::string_view(word) == "mptcp"
                            ? "; in a Go program GODEBUG=multipathtcp=0 turns it off"
                            : ""));
}

void check_sockname(const RuleView& rule, Findings& findings) {
    if (rule.says_target || !wants_sockname(rule.rule)) return;
    add(findings, Severity::kWarning, rule,
        "getsockname() of its connections says the listen port: the hooks on the root cgroup are "
        "missing. Programs that look at it (Apache's virtual hosts, ftp, mail) may go wrong",
        "run the attach command again, or use --engine tc; --sockname listen accepts it");
}

void check_signatures(const RuleView& rule, const NetworkFacts& facts, Findings& findings) {
    auto why = why_signatures_fail(rule.rule, facts.listeners);
    if (!why.empty()) add(findings, Severity::kBroken, rule, why, kSignedHint);
}

void check_hidden(const RuleView& rule, const NetworkFacts& facts, Findings& findings) {
    OtherListeners others = listeners_beside(rule.rule, facts.listeners);
    for (const auto& listener : others.hidden)
        add(findings, Severity::kWarning, rule, hidden_text(rule.rule, listener),
            "stop that program, or detach the rule");
    for (const auto& listener : others.keepers)
        add(findings, Severity::kNote, rule, keeper_text(listener));
}

void check_forwarding(const RuleView& rule, const NetworkFacts& facts, Findings& findings) {
    if (!rule.rule.has(BP_RULE_FORWARDED) || facts.forwards_v4 || facts.forwards_v6) return;
    add(findings, Severity::kBroken, rule,
        "--forwarded, but this host forwards nothing (net.ipv4.ip_forward is 0)",
        "sysctl net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
}

const Interface* interface_of(const RuleView& rule, const NetworkFacts& facts) {
    return find_interface(facts.host.interfaces, rule.rule.ifindex);
}

void check_place(const RuleView& rule, const NetworkFacts& facts, Findings& findings) {
    if (!rule.in_force)
        add(findings, Severity::kBroken, rule, engine_of(rule.rule).info().not_in_force,
            "run the attach command again");
    for (const OptionProgram* program : rule.gone)
        add(findings, Severity::kBroken, rule,
            fmt::format("{}, but its program does not run: {}", program->option, program->if_gone),
            "run the attach command again");
    if (rule.xdp_gone)
        add(findings, Severity::kNote, rule, "no XDP program of ours runs for it: tc serves it",
            "run the attach command again");
    const Interface* interface = interface_of(rule, facts);
    if (!interface) return;
    if (!interface->is_up())
        add(findings, Severity::kBroken, rule, fmt::format("{} is down", interface->name),
            fmt::format("ip link set {} up", interface->name));
    const auto& addresses = facts.network.addresses;
    bool addressed = addresses.end() !=
                     std::ranges::find(addresses, interface->ifindex, &InterfaceAddress::ifindex);
    bool by_others = interface->kind == "vrf" || // whose ports have the addresses
                     addressed_master(*interface, facts.host.interfaces);
    if (!addressed && !by_others && !rule.rule.has(BP_RULE_FORWARDED))
        add(findings, Severity::kWarning, rule,
            fmt::format("{} has no address: nothing arrives there for this host, unless for "
                        "another interface's address",
                        interface->name),
            "attach to the interface that has the address");
    for (auto& warning : place_warnings({as_served(rule)}, facts.network))
        add(findings, Severity::kWarning, rule, warning.message, warning.hint);
    if (auto seen = refuse_place(as_served(rule), facts.network); !seen)
        add(findings, Severity::kBroken, rule, seen.error().message, seen.error().hint);
}

// Several users' sockets on one target: which of them clients reach depends on address family, address and
// chance.
void check_users(const RuleView& rule, Findings& findings) {
    std::map<uid_t, const Listener*> users;
    for (const auto& listener : rule.listeners) users.emplace(listener.socket.uid, &listener);
    if (users.size() < 2) return;
    std::vector<std::string> texts;
    for (const auto& [uid, listener] : users) texts.push_back(listener->to_string());
    add(findings, Severity::kWarning, rule,
        fmt::format("{} is several users': {}", target_text(rule), fmt::join(texts, "; ")),
        "attach with --owner USER: no other may bind the target port");
}

void check_ephemeral(const RuleView& rule, const NetworkFacts& facts, Findings& findings) {
    std::vector<PlacedRule> one{placed(rule.rule, facts.host.interfaces)};
    for (auto& warning : warnings(one, facts.host.ephemeral, facts.host.reserved))
        add(findings, Severity::kWarning, rule, warning.message, warning.hint);
}

} // namespace

std::string subject_of(const RuleView& rule) {
    return fmt::format("{} on {}", rule.rule.rule.to_string(), rule.scope);
}

void check_rule(const RuleView& rule, const std::vector<RuleView>& all, const NetworkFacts& facts,
                Findings& findings) {
    check_place(rule, facts, findings);
    if (rule.listeners.empty() && !rule.rule.has(BP_RULE_FORWARDED)) // which may be another host's
        check_absence(rule, all, findings);
    check_listeners(rule, facts, findings);
    check_steering(rule, findings);
    check_sockname(rule, findings);
    check_signatures(rule, facts, findings);
    check_hidden(rule, facts, findings);
    check_users(rule, findings);
    check_ephemeral(rule, facts, findings);
    check_forwarding(rule, facts, findings);
}

void check_unserved(const Snapshot& snapshot, const NetworkFacts& facts, Findings& findings) {
    std::vector<RuleSpec> rules;
    for (const auto& rule : snapshot.rules) rules.push_back(rule.rule);
    auto note = unserved_note(rules, rules, facts.network);
    if (!note.empty()) findings.push_back({Severity::kNote, "rules", note, {}});
}

void check_instance(const Snapshot& snapshot, Findings& findings) {
    for (const auto& name : snapshot.unhooked) {
        if (std::ranges::find(snapshot.hooks, name, &HookStatus::interface) != snapshot.hooks.end())
            continue; // it has had hooks: check_hooks() says which is gone
        findings.push_back({Severity::kBroken, fmt::format("interface {}", name),
                            "a rule of `any` should hold here, but there are no hooks: the "
                            "interface came later",
                            "run the attach command again"});
    }
}

} // namespace bpfport
