// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// RuleView: one rule, of an interface or of a cgroup, with what the kernel says of it now. status, stats,
// ss, top, doctor and metrics show it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bpfport/counters.h"
#include "bpfport/policy.h"
#include "engine/engines.hpp"
#include "engine/local_clients.hpp"
#include "engine/option_program.hpp"
#include "engine/plan.hpp"
#include "state/table.hpp"

namespace bpfport {

// What only a cgroup's rule has.
struct CgroupUse {
    bool here = true;       // it holds in the current network namespace
    bool contested = false; // another cgroup claims the listen port: neighbours are left alone
    bool overflow = false;  // the map of claims is full: neighbours are left alone
    bool automatic = false; // bpfport chose the target
    bool run = false;       // the cgroup is that of a `bpfport run`
    bp_policy_counters counters{}; // system calls of the cgroup's own processes
    ClaimCount neighbours{};       // and of others
};

struct RuleView {
    RuleSpec rule;
    std::string scope; // eth0, any, unit:web.service
    bp_counters counters{};
    std::optional<unsigned> open_connections{}; // TCP; absent when the kernel can't tell
    std::optional<std::uint64_t> denied{};      // binds of ports that are guarded; absent: none is
    std::vector<Listener> listeners{};          // of the target
    bool in_force = true;                       // the hooks that it needs run our programs
    std::vector<const OptionProgram*> gone{};   // of its options; they do not run
    bool xdp_gone = false;   // engine xdp, but no XDP program runs: tc does its work
    bool says_target = true; // getsockname(2) of its tcp connections, else the listen port
    bool by_tc = false;      // RuleState::by_tc
    std::string why{}; // of sklookup and of what keeps a tcp rule from it; empty: nothing to say
    std::optional<CgroupUse> cgroup{}; // engine cgroup
};

// The rule with the engine that serves it now.
inline RuleSpec as_served(const RuleView& rule) {
    auto served = rule.rule;
    if (rule.by_tc && served.has(BP_RULE_FALLBACK)) served.engine = tc_engine().info().id;
    return served;
}

} // namespace bpfport
