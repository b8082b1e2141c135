// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What must hold of a firewall, whatever it was read from.
#pragma once

#include "firewall/nat.hpp"
#include "fuzz.hpp"

namespace bpfport {

inline void require_valid(const Firewall& firewall) {
    for (const auto& chain : firewall)
        for (const auto& rule : chain.rules) {
            if (!rule.ports) continue;
            for (PortRange range : rule.ports->ports)
                require(range.first <= range.last, "ends are ordered", rule.text);
        }
}

// Judging ends, and says why when it says anything.
inline void require_judged(const Firewall& firewall) {
    for (bool ipv6 : {false, true})
        for (const auto& arrival :
             {Arrival{Protocol::kTcp, 80, "eth0", ipv6}, Arrival{Protocol::kUdp, 53, "lo", ipv6}}) {
            Judgement judgement = judge(firewall, arrival);
            bool passes = judgement.verdict == FirewallVerdict::kPasses;
            require(passes == judgement.why.empty(), "a verdict has its reason", judgement.why);
            for (const auto& rule : NatRules(firewall).of(arrival))
                require(!rule.text.empty(), "a NAT rule has a text");
        }
}

} // namespace bpfport
