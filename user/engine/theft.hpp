// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Theft: who else has a claim on the listen ports of a rule. Pure: the facts of the host come in as
// values.
#pragma once

#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/plan.hpp"

namespace bpfport {

// Whether this socket listens on the rule's listen port of one loopback address, as a resolver's
// stub does on 127.0.0.53, and keeps that address: the rule serves the other ones.
bool keeps_address(const RuleSpec& rule, const Socket& socket);

// Programs that listen on the listen ports of a rule.
struct OtherListeners {
    std::vector<Listener> keepers; // they keep a loopback address of theirs
    std::vector<Listener> hidden;  // their clients go to the target instead
    std::vector<std::string> nat;  // what NAT does with the listen ports; filled in by its caller
};
OtherListeners listeners_beside(const RuleSpec& rule, const ListenerIndex& listeners);

std::string
keeper_text(const Listener& keeper); // "dnsmasq (pid 9) listens on 127.0.0.53:53 and ..."
// "nginx (pid 8) listens on 0.0.0.0:80, but new clients go to 3000"
std::string hidden_text(const RuleSpec& rule, const Listener& hidden);

// What a plan leaves to others, for messages, each once.
std::vector<std::string> kept_addresses(const Plan& plan, const HostFacts& facts);

// What to do about a program that a rule would rob.
const char* theft_remedy(const RuleSpec& rule, const Socket& robbed);

// Whether rules take no program's clients; the error names the program.
template <typename RuleType>
Result<void> check_theft(const std::vector<RuleType>& rules, const ListenerIndex& listeners) {
    for (const auto& rule : rules)
        for (const Listener* listener : listeners.on(rule.rule.protocol(), rule.rule.listen()))
            if (takes_from(rule, listener->socket))
                return failure(fmt::format("port {} is taken: {}", listener->socket.local_port,
                                           listener->to_string()),
                               theft_remedy(rule, listener->socket));
    return {};
}

} // namespace bpfport
