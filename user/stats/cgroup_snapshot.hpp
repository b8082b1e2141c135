// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the kernel says now of cgroups' rules and grants and of guarded ports, of the whole machine:
// links are asked for their program and cgroup, counters come from the maps.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/guard.hpp"
#include "state/policy.hpp"
#include "state/store.hpp"
#include "stats/rule_view.hpp"

namespace bpfport {

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
    std::vector<RuleView> rules;
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
