// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Drain: rules that take no new connections and go when their last one ends, and old targets that
// live as long as their connections. The kernel counts: every redirected connection carries its
// record in its socket, and sock_diag lists the sockets that have one.
#pragma once

#include <cstdint>
#include <map>

#include "base/error.hpp"
#include "engine/netns_rules.hpp"

namespace bpfport {

struct OpenConnections {
    std::map<std::uint16_t, unsigned> by_rule; // rule id -> connections on record
    std::map<std::uint16_t, unsigned> steered; // of those, on the listen port themselves
    std::map<std::uint16_t, unsigned>
        on_old_target; // of those, redirected, not on the rule's target

    // Those whose packets are rewritten: they end when the rule does.
    [[nodiscard]] unsigned count_by_tc(std::uint16_t rule) const;
};

// Of the current netns, which is the instance's.
Result<OpenConnections> open_connections(const Instance& instance);

// Takes away what has drained: draining rules without connections, old targets without.
Result<void> finish_drains(NetnsRules& engine);
// In every network namespace, so that a killed `detach --drain` is finished by the next command that
// changes things, whatever that is about. What can't be finished is a warning.
std::vector<Warning> finish_all_drains(Store& store);
// Whether some rule, of whatever network namespace, waits for its connections to end.
bool has_drains(const Store& store);

} // namespace bpfport
