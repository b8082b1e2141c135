// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Plan: what a command would change, found out and checked before anything is. Pure: the facts of
// the host come in as values.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "engine/choice.hpp"
#include "engine/rule_changes.hpp"
#include "facts/listener_index.hpp"
#include "rule/scope.hpp"
#include "state/table.hpp"

namespace bpfport {

struct AttachRequest {
    std::vector<Scope> scopes;
    std::vector<Rule> rules;
    const Engine* engine = nullptr; // nullptr: auto
    std::uint16_t flags = 0;        // BP_RULE_NO_LOCAL, FORWARDED, VLAN, EXCLUSIVE
    std::uint8_t on_absent = 0;     // enum bp_on_absent
    bool force = false;             // redirect although another program listens on the listen port
    bool replace = false;           // the rules' listen ports may have another target now
};

// What a rule listens for in its place, and, of one that shares that by weight, its first target port: two
// rules with the same are one rule with another target or other options.
using ListenKey = std::tuple<unsigned, Rule::Listens, std::uint16_t>;
ListenKey listen_key(const RuleSpec& rule);
// The same for the rule with a weight, if it has none, or without, if it has one.
ListenKey other_listen_key(const RuleSpec& rule);

// Of a map by ListenKey, whose values rule_of() turns into rules, what is the same rule as this one: a rule that
// gets a weight, or loses it, is the same if its target is.
template <typename Map, typename RuleOf>
auto find_same_rule(Map& map, const RuleSpec& rule, const RuleOf& rule_of) {
    auto found = map.find(listen_key(rule));
    if (found != map.end()) return found;
    found = map.find(other_listen_key(rule));
    return found != map.end() && rule_of(found->second).target() == rule.rule.target() ? found
                                                                                       : map.end();
}

struct Plan : RuleChanges<RuleSpec> {
    std::vector<std::string> reasons; // "engine tc: it serves ...", each engine once
};

// One of many rules on one interface, with what is asked for it.
struct WantedRule {
    Rule rule;
    unsigned ifindex = 0;
    const AttachRequest* options = nullptr; // its scopes and rules are not looked at
};
Result<Plan> plan_rules(const std::vector<WantedRule>& wanted,
                        const std::vector<RuleSpec>& existing, const HostFacts& facts);

// Whether its options go together, whatever the host is, and whether a rule's weight goes with them.
Result<void> check_flags(const AttachRequest& request);
Result<void> check_weight(const Rule& rule, const AttachRequest& request);

Result<Plan> plan_attach(const AttachRequest& request, const std::vector<RuleSpec>& existing,
                         const HostFacts& facts);

struct DetachRequest {
    std::vector<Scope> scopes; // empty: every scope
    std::vector<Rule> rules;   // empty: every rule of the scopes
};
// The rules of `existing` that the request names. One that is not there is an error that lists
// those that are.
Result<std::vector<RuleSpec>> select_rules(const DetachRequest& request,
                                           const std::vector<RuleSpec>& existing,
                                           const std::vector<Interface>& interfaces);

PlacedRule placed(const RuleSpec& rule, const std::vector<Interface>& interfaces);

// Whether the socket is given what arrives for one of `ports` at the rule's addresses.
bool receives(const Socket& socket, const Rule& rule, PortRange ports);

// Whether packets that `rule` redirects would else be given to this socket, which listens on their
// port.
bool takes_from(const RuleSpec& rule, const Socket& socket);

// Whether the socket is given what arrives for the target, by protocol, port and address.
bool gives_to(const RuleSpec& rule, const Socket& socket);
std::vector<const Listener*> target_listeners(const RuleSpec& rule, const ListenerIndex& listeners);

} // namespace bpfport
