// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Events as people and machines read them, and which of them are wanted. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "bpfport/event.h"
#include "kernel/netlink.hpp"
#include "state/table.hpp"

namespace bpfport {

const char* event_label(unsigned kind); // connection, flow, outcome ...

struct EventFilter {
    std::vector<std::string> labels;   // of events (connection) or outcomes (not_local); empty: all
    std::optional<std::uint16_t> port; // any of the event's
    std::optional<Address> peer;
    std::vector<unsigned> interfaces;
    std::vector<std::uint64_t> cgroups; // neither of both: all

    [[nodiscard]] bool wants(const bp_event& event) const;
};

// Of all events and outcomes.
std::vector<std::string> trace_labels();
// Refuses a label that no event has, and lists those there are.
Result<void> check_labels(const std::vector<std::string>& labels);

// What an event's numbers mean now.
struct EventNames {
    std::vector<Interface> interfaces;
    std::vector<RuleSpec> rules;
    std::map<std::uint64_t, std::string> cgroups; // id -> cgroup:/web.slice
    std::int64_t wall_offset = 0;                 // CLOCK_REALTIME less CLOCK_MONOTONIC, ns
};

// 12:00:01.000200 eth0 tcp 192.0.2.7:40000 > 192.0.2.1:80 -> 3000 connection
// 12:00:01.000200 unit:web tcp 0.0.0.0:80 -> 3000 bind nginx (pid 812, uid 33)
std::string event_line(const bp_event& event, const EventNames& names);
// The same as one line of JSON.
std::string event_json(const bp_event& event, const EventNames& names);

} // namespace bpfport
