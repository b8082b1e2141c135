// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// check_firewall(): of rule_checks.hpp.
#include <fmt/format.h>

#include "bpfport/meta.h"
#include "doctor/rule_checks.hpp"
#include "engine/nat_claims.hpp"

namespace bpfport {

namespace {

// tc and xdp change the port before any firewall looks; sklookup leaves the packet as it is, unless
// tc serves it instead.
bool firewall_sees_target(const RuleView& rule) {
    return engine_of(as_served(rule)).info().changes_requests;
}

// The families that a client of the rule may come with, as far as the host has addresses of them.
std::vector<bool> families(const RuleView& rule, const NetworkFacts& facts) {
    if (const auto& local = rule.rule.rule.local()) return {!local->is_v4()};
    std::vector<bool> result{false};
    for (const auto& address : facts.network.addresses)
        if (!address.address.is_v4() && !address.address.is_loopback()) return {false, true};
    return result;
}

std::string remedy_for(const Judgement& judgement, const Arrival& arrival) {
    auto words = fmt::format("{} dport {} accept", to_string(arrival.protocol), arrival.port);
    auto chain = judgement.why.substr(0, judgement.why.find(':'));
    if (chain.starts_with("ip "))
        return fmt::format("accept it there too: iptables -I INPUT -p {} --dport {} -j ACCEPT, or "
                           "nft insert rule {} {}",
                           to_string(arrival.protocol), arrival.port, chain, words);
    return fmt::format("accept it there too: nft insert rule {} {}", chain, words);
}

void report(const RuleView& rule, const Judgement& judgement, const Judgement& of_listen_port,
            const Arrival& arrival, Findings& findings) {
    auto what = fmt::format("{} port {} on {}{}", to_string(arrival.protocol), arrival.port,
                            arrival.interface, arrival.ipv6 ? " (IPv6)" : "");
    if (judgement.verdict == FirewallVerdict::kDropped) {
        std::string text = fmt::format("the firewall drops {} ({})", what, judgement.why);
        if (of_listen_port.verdict == FirewallVerdict::kPasses)
            text += fmt::format("; it accepts {}, but sees the target port",
                                rule.rule.rule.listen().to_string());
        findings.push_back(
            {Severity::kBroken, subject_of(rule), text, remedy_for(judgement, arrival)});
    } else if (judgement.verdict == FirewallVerdict::kCantTell) {
        findings.push_back(
            {Severity::kNote, subject_of(rule),
             fmt::format("can't tell whether the firewall lets {} pass: {}", what, judgement.why),
             "bpfport doctor --probe tries it"});
    }
}

// Diversions by NAT: of the listen port, and of the target port.
void check_nat_of_listen(const RuleView& rule, const NetworkFacts& facts, Findings& findings) {
    for (const auto& claim : nat_claims(as_served(rule), facts.network)) {
        auto severity = !claim.nat.certain ? Severity::kNote
                        : claim.first      ? Severity::kBroken
                                           : Severity::kWarning;
        findings.push_back(
            {severity, subject_of(rule),
             claim.nat.certain ? claim.to_string() : "it may be that " + claim.to_string(),
             "take one of the two out"});
    }
}

void check_nat_of_target(const RuleView& rule, const NetworkFacts& facts, Findings& findings) {
    for (const auto& claim : target_claims(as_served(rule), facts.listeners, facts.network))
        findings.push_back(
            {claim.nat.certain ? Severity::kBroken : Severity::kNote, subject_of(rule),
             (claim.nat.certain ? "" : "it may be that ") + claim.to_string(),
             "take a target port that is not published, or publish the listen port"});
}

} // namespace

void check_firewall(const RuleView& rule, const NetworkFacts& facts, Findings& findings) {
    const Firewall& firewall = facts.network.firewall;
    check_nat_of_listen(rule, facts, findings);
    check_nat_of_target(rule, facts, findings);
    for (bool ipv6 : families(rule, facts))
        for (const auto& interface : facts.host.interfaces) {
            if (interface.is_loopback() || !interface.is_up()) continue;
            if (rule.rule.ifindex && rule.rule.ifindex != interface.ifindex) continue;
            Arrival listen{rule.rule.rule.protocol(), rule.rule.rule.listen().first, interface.name,
                           ipv6,
                           asked_addresses(rule.rule, interface.ifindex, ipv6, facts.network)};
            Arrival target = listen;
            target.port = rule.rule.rule.target().first;
            bool by_target = firewall_sees_target(rule);
            Judgement of_listen = judge(firewall, listen);
            Judgement judgement = by_target ? judge(firewall, target) : of_listen;
            report(rule, judgement, of_listen, by_target ? target : listen, findings);
        }
}

} // namespace bpfport
