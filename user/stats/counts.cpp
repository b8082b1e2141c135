// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "stats/counts.hpp"

#include <tuple>

#include "engine/registry.hpp"

namespace bpfport {

RuleCounts counts_of(const RuleView& rule) {
    RuleCounts counts;
    const unsigned counted = engine_of(rule.rule).info().counts;
    const bool sees_packets = (counted & kCountPackets) || rule.by_tc;
    if (sees_packets) {
        counts.packets_in = rule.counters.packets_in;
        counts.bytes_in = rule.counters.bytes_in;
        counts.packets_out = rule.counters.packets_out;
        counts.bytes_out = rule.counters.bytes_out;
    }
    if (sees_packets || (counted & kCountConnections)) {
        counts.connections = rule.counters.connections;
        counts.open = rule.open_connections;
    }
    if (!rule.rule.has(BP_RULE_FORWARDED)) counts.target_up = !rule.listeners.empty();
    return counts;
}

std::vector<CallCount> calls_of(const RuleView& rule) {
    std::vector<CallCount> calls;
    if (const auto& use = rule.cgroup) {
        const auto& [own, others] = std::tie(use->counters, use->neighbours);
        calls.push_back({"bind", "rewritten", own.binds});
        if (!rule.rule.has(BP_RULE_NO_LOCAL)) {
            calls.push_back({"connect", "rewritten", own.connects + others.connects});
            if (rule.rule.rule.protocol() == Protocol::kUdp)
                calls.push_back({"sendmsg", "rewritten", own.datagrams + others.datagrams});
        }
    }
    if (rule.denied) calls.push_back({"bind", "denied", *rule.denied});
    return calls;
}

} // namespace bpfport
