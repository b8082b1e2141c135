// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/place.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bpfport/meta.h"
#include "engine/nat_claims.hpp"

namespace bpfport {

namespace {

std::string ports_of(const Interface& master, const std::vector<Interface>& interfaces) {
    std::vector<std::string> names;
    for (const auto& one : interfaces)
        if (one.master == master.ifindex) names.push_back(one.name);
    return fmt::format("{}", fmt::join(names, " "));
}

void warn_of_master(const RuleSpec& rule, const NetworkView& view, std::vector<Warning>& found) {
    const Interface* port = find_interface(view.interfaces, rule.ifindex);
    const Interface* master = port ? addressed_master(*port, view.interfaces) : nullptr;
    if (!master || rule.has(BP_RULE_FORWARDED)) return;
    found.push_back({fmt::format("{} is a port of {}, which has the addresses: clients on this "
                                 "host are not served, nor what comes by its other ports",
                                 port->name, master->name),
                     fmt::format("attach to {}", master->name)});
}

// What this host answers for, for many rules: sorted addresses, those of one prefix side by side, and
// what is local as a whole (AnyIP).
struct OwnAddresses {
    std::set<Address> addresses;
    std::vector<Prefix> prefixes;

    explicit OwnAddresses(const NetworkView& view) {
        for (const auto& one : view.addresses) addresses.insert(one.address);
        for (const auto& one : view.local_prefixes)
            if (!one.is_one_address()) prefixes.push_back(one);
    }
    [[nodiscard]] bool has(const Prefix& wanted) const {
        auto first = addresses.lower_bound(wanted.address);
        return (first != addresses.end() && wanted.contains(*first)) ||
               std::ranges::any_of(prefixes,
                                   [&](const Prefix& one) { return one.overlaps(wanted); });
    }
};

void warn_of_address(const RuleSpec& rule, const OwnAddresses& own, std::vector<Warning>& found) {
    const auto& local = rule.rule.local();
    if (!local || local->has_loopback() || rule.has(BP_RULE_FORWARDED)) return;
    if (own.has(*local)) return;
    if (!local->is_one_address()) {
        found.push_back({fmt::format("this host has no address within {}: nothing is redirected "
                                     "before it does",
                                     local->to_string()),
                         fmt::format("ip route add local {} dev lo, for all of them; or another "
                                     "prefix in the rule",
                                     local->to_string())});
        return;
    }
    found.push_back({fmt::format("no interface of this host has {}: nothing is redirected before "
                                 "one does",
                                 local->to_string()),
                     fmt::format("ip address add {}/{} dev DEVICE, or another address in the rule",
                                 local->to_string(), local->is_v4() ? 32 : 128)});
}

// Programs see IPsec's packets encrypted on the way out, so the port of a reply can't be changed.
bool is_hidden_by(const IpsecPolicy& policy, const RuleSpec& rule, const NetworkView& view) {
    bool tcp = rule.rule.protocol() == Protocol::kTcp;
    if (!engine_of(rule).changes_replies(rule)) return false;
    if (policy.protocol && *policy.protocol != (tcp ? IPPROTO_TCP : IPPROTO_UDP)) return false;
    if (policy.ifindex && rule.ifindex && policy.ifindex != rule.ifindex) return false;
    if (!policy.covers(rule.rule.listen()) && !policy.covers(rule.rule.target())) return false;
    if (rule.has(BP_RULE_FORWARDED)) return true;
    auto own = asked_addresses(rule, 0, !policy.from.address.is_v4(), view);
    return std::ranges::any_of(
        own, [&](const Address& one) { return !one.is_loopback() && policy.from.contains(one); });
}

void warn_of_ipsec(const RuleSpec& rule, const NetworkView& view, std::vector<Warning>& found) {
    constexpr std::size_t kNamed = 3;
    std::set<std::string> peers;
    for (const auto& policy : view.ipsec)
        if (is_hidden_by(policy, rule, view))
            peers.insert(fmt::format("{} ({} mode)", policy.to.to_string(), policy.mode));
    if (peers.empty()) return;
    auto more = peers.size() > kNamed ? fmt::format(" and {} more", peers.size() - kNamed) : "";
    std::vector<std::string> named(peers.begin(), peers.end());
    named.resize(std::min(named.size(), kNamed));
    found.push_back({fmt::format("{}: IPsec encrypts replies to {}{} before their port can be "
                                 "changed: clients there are not served",
                                 rule.rule.to_string(), fmt::join(named, ", "), more),
                     rule.rule.protocol() == Protocol::kTcp
                         ? "--engine sklookup serves them; or let them use the target port"
                         : "let them use the target port"});
}

// A network of this host's own: containers and virtual machines are behind it.
bool is_own_network(const Interface& interface, const NetworkView& view) {
    bool kind = interface.kind == "bridge" || interface.kind == "veth";
    return kind && !interface.master && interface.is_up() &&
           std::ranges::any_of(view.addresses, [&](const InterfaceAddress& one) {
               return one.ifindex == interface.ifindex &&
                      (one.address.is_v4() || one.address.bytes[0] != 0xfe);
           });
}

} // namespace

const Interface* addressed_master(const Interface& port, const std::vector<Interface>& interfaces) {
    const Interface* master = find_interface(interfaces, port.master);
    return master && master->kind != "vrf" ? master : nullptr; // a VRF's ports keep their addresses
}

Result<void> refuse_place(const RuleSpec& rule, const NetworkView& view) {
    const Interface* interface = find_interface(view.interfaces, rule.ifindex);
    if (!interface || interface->kind != "vrf" || !engine_of(rule).info().changes_requests)
        return {};
    auto ports = ports_of(*interface, view.interfaces);
    return failure(fmt::format("{} is a VRF: no packet comes in by its hooks, so {} would never be "
                               "redirected",
                               interface->name, rule.rule.to_string()),
                   ports.empty() ? "attach to its ports, once it has some"
                                 : fmt::format("attach to its ports: {}", ports));
}

std::vector<Warning> place_warnings(const std::vector<RuleSpec>& rules, const NetworkView& view) {
    std::vector<Warning> found, once;
    const OwnAddresses own(view);
    for (const auto& rule : rules) {
        warn_of_master(rule, view, found);
        warn_of_address(rule, own, found);
        warn_of_ipsec(rule, view, found);
    }
    std::set<std::string> said;
    for (auto& warning : found)
        if (said.insert(warning.message).second) once.push_back(std::move(warning));
    return once;
}

std::string unserved_note(const std::vector<RuleSpec>& rules, const std::vector<RuleSpec>& in_force,
                          const NetworkView& view) {
    std::set<std::string> networks, scopes;
    std::vector<const Interface*> own;
    for (const auto& interface : view.interfaces)
        if (is_own_network(interface, view)) own.push_back(&interface);
    if (own.empty()) return {};
    std::set<Rule> asked; // few, where many are in force
    for (const auto& rule : rules) asked.insert(rule.rule);
    std::set<std::pair<Rule, unsigned>> there;
    for (const auto& rule : in_force)
        if (asked.contains(rule.rule)) there.emplace(rule.rule, rule.ifindex);
    for (const auto& rule : rules) {
        const Interface* scope = find_interface(view.interfaces, rule.ifindex);
        if (!scope || scope->is_loopback() || rule.has(BP_RULE_FORWARDED)) continue;
        for (const Interface* interface : own) {
            if (interface->ifindex == rule.ifindex || there.contains({rule.rule, 0}) ||
                there.contains({rule.rule, interface->ifindex}))
                continue;
            networks.insert(interface->name);
            scopes.insert(scope->name);
        }
    }
    if (networks.empty()) return {};
    return fmt::format("clients behind {} that ask an address of {} are not served; a rule on "
                       "`any` serves them",
                       fmt::join(networks, ", "), fmt::join(scopes, ", "));
}

} // namespace bpfport
