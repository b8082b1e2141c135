// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Snapshot: what the kernel says now of one network namespace. Nothing is cached:
// programs are read from hooks, listeners and connections come from sock_diag, counters from
// the maps. Table, JSON and metrics are made from this one value.
//
// Under load: no command changes anything while a snapshot is taken, else it is taken again, so rules
// and counters belong together. Each counter is exact and never goes back: a CPU's share is one 64-bit word, read
// whole. Different counters of a rule are read one after another, so they may be some packets
// apart. Open connections are counted before counters are read, so they never exceed those made.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "bpfport/counters.h"
#include "engine/registry.hpp"
#include "state/store.hpp"
#include "stats/rule_view.hpp"

namespace bpfport {

struct EngineStatus {
    const char* name = "";
    EngineReport report;
};

struct HookStatus {
    std::string interface;
    unsigned ifindex = 0;
    const char* kind = ""; // tcx, clsact
    bool alive = false;    // both directions run our programs
    std::string tag_in;    // the programs' tags
    std::string tag_out;
    const char* xdp = ""; // native, generic; empty: no XDP program of ours runs there
    std::string tag_xdp{};
};

struct FlowUse {
    const char* name = ""; // hints, udp_flows, forward_tcp, forward_udp
    std::uint32_t used = 0;
    std::uint32_t capacity = 0;
    std::uint64_t stored = 0; // ever; what is neither there nor was erased has been evicted
};

struct ProgramUse {
    std::string name; // bp_tc_in
    std::uint64_t runs = 0;
    std::uint64_t nanoseconds = 0;
};

struct Snapshot {
    std::uint64_t netns = 0;
    const char* path = "none"; // of the tc programs: fast, helper; none: no rule needs them
    std::vector<RuleView> rules;
    std::vector<HookStatus> hooks;
    std::vector<EngineStatus> engines; // those that have something of their own in the kernel
    std::vector<std::string> unhooked; // interfaces that a rule of `any` covers but came later
    std::array<std::uint64_t, BP_OUTCOME_COUNT> outcomes{};
    std::vector<FlowUse> flows;
    std::vector<ProgramUse> programs; // empty when the kernel does not measure them
};

// Of the current netns; nullopt: nothing is attached here.
Result<std::optional<Snapshot>> take_snapshot(const Store& store, const HostFacts& facts);

// Labels and texts of outcomes, by enum bp_outcome.
const char* outcome_label(unsigned outcome);
const char* outcome_text(unsigned outcome);

} // namespace bpfport
