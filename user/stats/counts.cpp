// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "stats/counts.hpp"

#include "engine/registry.hpp"

namespace bpfport {

RuleCounts counts_of(const RuleStatus& rule) {
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

} // namespace bpfport
