// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the kernel says now of cgroups' rules and grants and of guarded ports, of the whole machine:
// links are asked for their program and cgroup, counters come from the maps.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bpfport/policy.h"
#include "engine/guard.hpp"
#include "engine/local_clients.hpp"
#include "engine/plan.hpp"
#include "state/policy.hpp"
#include "state/store.hpp"

namespace bpfport {

struct CgroupRuleStatus {
    PolicyRule rule;
    bool here = true;       // it holds in the current network namespace
    bool contested = false; // another cgroup claims the listen port: neighbours are left alone
    bp_policy_counters counters{};   // of the cgroup's own processes
    ClaimCount neighbours;           // of others
    std::vector<Listener> listeners; // on the target port; only when it is here
    bool overflow = false;           // the map of claims is full: others are left alone
};

struct GrantStatus {
    Grant grant;
    std::uint64_t binds = 0;
};

struct CgroupStatus {
    std::string scope; // unit:web.service
    std::string path;
    std::uint64_t cgroup = 0;
    bool in_force = false; // every hook that the policy needs runs our programs
    bool run = false;      // made by `bpfport run`
    std::size_t processes = 0;
    std::vector<CgroupRuleStatus> rules;
    std::vector<GrantStatus> grants;
};

struct GuardStatus {
    Guard guard;
    bool here = true;
    bool in_force = false;
};

struct CgroupSnapshot {
    std::vector<CgroupStatus> cgroups;
    std::vector<GuardStatus> guards;
    bool neighbours_in_force = true;   // true as well when none are to be served
    std::vector<std::string> unserved; // local addresses that came after the last command
    std::vector<std::string> departed; // ... and those that have left since

    [[nodiscard]] bool empty() const { return cgroups.empty() && guards.empty(); }
};

Result<CgroupSnapshot> take_cgroup_snapshot(const Store& store, const HostFacts& facts);

} // namespace bpfport
