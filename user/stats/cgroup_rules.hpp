// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Cgroups' rules in the form in which those of interfaces are shown, so that lists, rates and
// metrics know one kind of rule. Pure.
#pragma once

#include <vector>

#include "stats/cgroup_snapshot.hpp"
#include "stats/snapshot.hpp"

namespace bpfport {

// Those that hold in the network namespace of the snapshot. Calls: bind and connect rewritten, of
// the cgroup's own programs and of others; for UDP also sendmsg, each datagram of an unconnected
// socket.
std::vector<RuleStatus> rules_here(const CgroupSnapshot& snapshot);

// To each rule, of whatever engine, one of whose ports is guarded: the binds that were denied.
void add_denials(const CgroupSnapshot& snapshot, std::vector<RuleStatus>& rules);

} // namespace bpfport
