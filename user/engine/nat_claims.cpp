// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/nat_claims.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "bpfport/meta.h"

namespace bpfport {

namespace {

// NAT is judged at the first port and at each where some rule's ports begin: it is the same between.
std::set<std::uint16_t> ports_to_judge(PortRange listen, const Firewall& firewall) {
    std::set<std::uint16_t> ports{listen.first};
    for (const auto& chain : firewall)
        for (const auto& rule : chain.rules) {
            if (!rule.ports) continue;
            for (PortRange range : rule.ports->ports) {
                if (listen.contains(range.first)) ports.insert(range.first);
                if (range.last < listen.last && range.last >= listen.first)
                    ports.insert(static_cast<std::uint16_t>(range.last + 1));
            }
        }
    return ports;
}

// Replies of this host's own sockets are on record, whatever their port was meanwhile.
bool ends_here(const NatTarget& to, const NetworkView& view) {
    return to.this_host ||
           (to.address && (to.address->is_loopback() ||
                           std::ranges::find(view.addresses, *to.address,
                                             &InterfaceAddress::address) != view.addresses.end()));
}

// Each way by which clients of one family come: the interfaces of the rule, and this host itself.
std::vector<Arrival> arrivals(const RuleSpec& rule, bool ipv6, const NetworkView& view) {
    std::vector<Arrival> found;
    for (const auto& interface : view.interfaces) {
        if (interface.is_loopback()) continue;
        if (rule.ifindex && rule.ifindex != interface.ifindex) continue;
        auto to = asked_addresses(rule, interface.ifindex, ipv6, view);
        if (!to.empty())
            found.push_back({rule.rule.protocol(), 0, interface.name, ipv6, std::move(to)});
    }
    auto own = asked_addresses(rule, rule.ifindex, ipv6, view);
    if (!rule.has(BP_RULE_NO_LOCAL) && !own.empty())
        found.push_back({rule.rule.protocol(), 0, "", ipv6, std::move(own)});
    return found;
}

} // namespace

std::vector<Address> asked_addresses(const RuleSpec& rule, unsigned ifindex, bool ipv6,
                                     const NetworkView& view) {
    const auto& local = rule.rule.local();
    if (local && local->is_v4() == ipv6) return {};
    std::vector<Address> found;
    for (const auto& one : view.addresses)
        if ((local || !ifindex || one.ifindex == ifindex) && one.address.is_v4() != ipv6 &&
            rule.rule.covers(one.address))
            found.push_back(one.address);
    // An address of no interface: of AnyIP, or one that comes later.
    if (local && found.empty()) found.push_back(local->address);
    return found;
}

std::string NatClaim::to_string() const {
    if (first)
        return fmt::format(
            "clients of port {} go where NAT sends them, and never come to this rule "
            "({})",
            port, nat.text);
    return fmt::format("NAT redirects port {}, but this rule comes first ({})", port, nat.text);
}

std::string TargetClaim::to_string() const {
    return fmt::format("target port {} is published by NAT ({}): {}", port, nat.text,
                       steered
                           ? "no program listens there, so clients are refused"
                           : "clients from outside go where it says, and the replies leave with "
                             "the wrong port");
}

std::vector<TargetClaim> target_claims(const RuleSpec& rule, const ListenerIndex& listeners,
                                       const NetworkView& view) {
    std::vector<TargetClaim> found;
    NatRules nat_rules(view.firewall);
    const bool steered = !engine_of(rule).info().changes_requests;
    auto can_be_steered_to = [](const Listener* one) { return !one->socket.mptcp; };
    if (nat_rules.empty() ||
        (steered && std::ranges::any_of(target_listeners(rule, listeners), can_be_steered_to)))
        return found;
    for (std::uint16_t port : ports_to_judge(rule.rule.target(), view.firewall))
        for (bool ipv6 : {false, true})
            for (auto& arrival : arrivals(rule, ipv6, view)) {
                if (arrival.interface.empty()) continue; // on lo, NAT has been and gone
                arrival.port = port;
                for (auto& nat : nat_rules.of(arrival))
                    if (!ends_here(nat.to, view) &&
                        std::ranges::find(found, nat, &TargetClaim::nat) == found.end())
                        found.push_back({port, std::move(nat), steered});
            }
    return found;
}

std::vector<NatClaim> nat_claims(const RuleSpec& rule, const NetworkView& view) {
    std::vector<NatClaim> found;
    NatRules nat_rules(view.firewall);
    if (nat_rules.empty()) return found;
    for (std::uint16_t port : ports_to_judge(rule.rule.listen(), view.firewall))
        for (bool ipv6 : {false, true})
            for (auto& arrival : arrivals(rule, ipv6, view)) {
                arrival.port = port;
                // An engine that changes packets sees those from outside before any firewall does.
                bool first = arrival.interface.empty() || !engine_of(rule).info().changes_requests;
                for (auto& nat : nat_rules.of(arrival))
                    if (std::ranges::find(found, nat, &NatClaim::nat) == found.end())
                        found.push_back({port, std::move(nat), first});
            }
    return found;
}

Result<void> check_nat(const std::vector<RuleSpec>& added, const NetworkView& view) {
    for (const auto& rule : added)
        for (const auto& claim : nat_claims(rule, view))
            if (claim.nat.certain)
                return failure(
                    fmt::format("port {} is redirected by NAT: {}", claim.port, claim.nat.text),
                    claim.first ? "take that rule out first, or what publishes the port; with "
                                  "--force this rule is attached, and NAT still comes first"
                                : "take that rule out first, or what publishes the port; with "
                                  "--force this rule comes before it");
    return {};
}

Result<void> check_target_nat(const std::vector<RuleSpec>& fresh, const ListenerIndex& listeners,
                              const NetworkView& view) {
    for (const auto& rule : fresh) {
        if (rule.has(BP_RULE_FORWARDED)) continue; // what it forwards has no part in it
        for (const auto& claim : target_claims(rule, listeners, view))
            if (claim.nat.certain)
                return failure(claim.to_string(),
                               fmt::format("publish port {0} instead (docker run -p {0}:...), or "
                                           "take a target port that a program of this host listens "
                                           "on; --force attaches it all the same",
                                           rule.rule.listen().to_string()));
    }
    return {};
}

std::vector<Warning> nat_warnings(const std::vector<RuleSpec>& rules,
                                  const ListenerIndex& listeners, const NetworkView& view) {
    std::vector<Warning> found;
    auto warn = [&](const NatRule& nat, const std::string& text, const char* hint) {
        found.push_back({(nat.certain ? "" : "it may be that ") + text, hint});
    };
    for (const auto& rule : rules) {
        for (const auto& claim : nat_claims(rule, view))
            warn(claim.nat, claim.to_string(), "take one of the two out");
        for (const auto& claim : target_claims(rule, listeners, view))
            warn(claim.nat, claim.to_string(), "take a target port that is not published");
    }
    return found;
}

} // namespace bpfport
