// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What stands between the clients of a rule and the program behind it, on this host. Pure: the
// facts come in as values.
#pragma once

#include <string>
#include <vector>

#include "doctor/finding.hpp"
#include "facts/network_view.hpp"
#include "stats/snapshot.hpp"

namespace bpfport {

struct NetworkFacts {
    HostFacts host;
    ListenerIndex listeners; // of host
    NetworkView network;
    bool forwards_v4 = false; // net.ipv4.ip_forward
    bool forwards_v6 = false; // net.ipv6.conf.all.forwarding
};

std::string subject_of(const RuleView& rule); // "80:3000 on eth0"

// Hooks, listeners of target and listen port, the addresses they listen on, ephemeral ports,
// forwarding. `all` rules: this one, and those that it may share its listen port with.
void check_rule(const RuleView& rule, const std::vector<RuleView>& all, const NetworkFacts& facts,
                Findings& findings);
// Interfaces that rules of `any` should cover but don't.
void check_instance(const Snapshot& snapshot, Findings& findings);

// Filters that drop, and NAT rules that divert, what the rule redirects.
void check_firewall(const RuleView& rule, const NetworkFacts& facts, Findings& findings);
// Clients behind this host's own bridges and veths that no rule serves.
void check_unserved(const Snapshot& snapshot, const NetworkFacts& facts, Findings& findings);

} // namespace bpfport
