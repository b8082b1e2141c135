// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/theft.hpp"

#include <set>

#include <fmt/format.h>

#include "bpfport/meta.h"

namespace bpfport {

bool takes_from(const RuleSpec& rule, const Socket& socket) {
    if (!receives(socket, rule.rule, rule.rule.listen())) return false;
    // A listener on lo serves local clients, whatever the rule's interface.
    if (socket.local.is_loopback())
        return !rule.has(BP_RULE_NO_LOCAL) && !keeps_address(rule, socket);
    return !socket.ifindex || !rule.ifindex || socket.ifindex == rule.ifindex;
}

bool keeps_address(const RuleSpec& rule, const Socket& socket) {
    if (!engine_of(rule).spares(socket)) return false;
    return socket.protocol == rule.rule.protocol() && socket.local.is_loopback() &&
           rule.rule.listen().contains(socket.local_port) && !rule.rule.local() &&
           !rule.has(BP_RULE_NO_LOCAL);
}

OtherListeners listeners_beside(const RuleSpec& rule, const ListenerIndex& listeners) {
    OtherListeners others;
    for (const Listener* listener : listeners.on(rule.rule.protocol(), rule.rule.listen())) {
        if (keeps_address(rule, listener->socket)) others.keepers.push_back(*listener);
        if (takes_from(rule, listener->socket)) others.hidden.push_back(*listener);
    }
    return others;
}

std::string keeper_text(const Listener& keeper) {
    return fmt::format("{} and keeps that address: its clients are not redirected",
                       keeper.to_string());
}

std::string hidden_text(const RuleSpec& rule, const Listener& hidden) {
    return fmt::format("{}, but new clients go to {}", hidden.to_string(),
                       rule.rule.target_of(hidden.socket.local_port));
}

std::vector<std::string> kept_addresses(const Plan& plan, const HostFacts& facts) {
    std::set<std::string> found; // a rule of many interfaces meets a program several times
    const ListenerIndex listeners(facts.listeners);
    auto look = [&](const RuleSpec& rule) {
        for (const auto& keeper : listeners_beside(rule, listeners).keepers)
            found.insert(keeper_text(keeper));
    };
    plan.each_wanted(look);
    return {found.begin(), found.end()};
}

const char* theft_remedy(const RuleSpec&, const Socket& robbed) {
    if (robbed.local.is_loopback())
        return "give the rule an address of an interface, or --no-local, which leaves clients on "
               "this host alone; --force takes it";
    return "stop it first, or use --force: its open connections go on, new ones go to the target";
}

} // namespace bpfport
