// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Packet run: one packet through the installed programs by BPF_PROG_TEST_RUN, and what they
// decided.
//
// The kernel is left as it was, except that the programs count the packet: a flow that they
// remember for it is forgotten again, one that they change is restored.
#pragma once

#include <optional>
#include <vector>

#include "base/error.hpp"
#include "kernel/netlink.hpp"
#include "trace/frame.hpp"
#include "trace/tracer.hpp"

namespace bpfport {

struct PacketDecision {
    FrameView before, after;
    bool outgoing = false;
    int action = 0;               // TC_ACT_*: -1 goes on, 2 dropped, 7 sent back
    std::optional<RuleSpec> rule; // whose listen port (out: target port) it has
    bool flow_known = false;      // before the packet
    bool flow_made = false;       // by the packet; undone
    bool flow_changed = false;    // by the packet; undone
    std::vector<bp_event> events; // of this packet
};

// In: the packet arrives on the interface. Out: it leaves by it.
Result<PacketDecision> run_packet(Tracer& tracer, const Interface& interface, const Frame& frame,
                                  bool outgoing);

} // namespace bpfport
