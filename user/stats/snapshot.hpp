// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Snapshot: what the kernel says now of one network namespace. Nothing is repeated from memory:
// hooks are asked for their program, listeners and connections come from sock_diag, counters from
// the maps. Table, JSON and metrics are made from this one value.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "bpfport/counters.h"
#include "engine/plan.hpp"
#include "state/store.hpp"
#include "state/table.hpp"

namespace bpfport {

struct RuleStatus {
    InstalledRule rule;
    std::string scope; // eth0, any
    bp_counters counters{};
    std::optional<unsigned> open_connections; // TCP; absent when the kernel can't tell
    std::vector<Listener> listeners;          // of the target
    bool hooked = true; // its interface's hooks are in place
};

struct HookStatus {
    std::string interface;
    unsigned ifindex = 0;
    const char* kind = ""; // tcx, clsact
    bool alive = false;    // both directions run our programs
    std::string tag_in;    // the programs' tags
    std::string tag_out;
};

struct FlowUse {
    const char* name = ""; // hints, udp_flows, forward_tcp, forward_udp
    std::uint32_t used = 0;
    std::uint32_t capacity = 0;
};

struct Snapshot {
    std::uint64_t netns = 0;
    bool direct_write = false;
    std::vector<RuleStatus> rules;
    std::vector<HookStatus> hooks;
    std::vector<std::string> unhooked; // interfaces that a rule of `any` covers but came later
    std::array<std::uint64_t, BP_OUTCOME_COUNT> outcomes{};
    std::vector<FlowUse> flows;
};

// Of the current netns; nullopt: nothing is attached here.
Result<std::optional<Snapshot>> take_snapshot(const Store& store);

// Labels and texts of outcomes, by enum bp_outcome.
const char* outcome_label(unsigned outcome);
const char* outcome_text(unsigned outcome);

} // namespace bpfport
