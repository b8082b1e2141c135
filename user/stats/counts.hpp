// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Counts: the numbers of one rule that its engine can tell. What an engine can't count is absent,
// not 0: tc and xdp count packets, bytes and connections; sklookup, which sees no packet after the
// first, connections, and packets where tc serves instead; cgroup, which sees no packet at all,
// system calls.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "stats/rule_view.hpp"

namespace bpfport {

struct RuleCounts {
    std::optional<std::uint64_t> packets_in;
    std::optional<std::uint64_t> bytes_in;
    std::optional<std::uint64_t> packets_out;
    std::optional<std::uint64_t> bytes_out;
    std::optional<std::uint64_t> connections; // made so far; UDP: flows
    std::optional<std::uint64_t> open;        // now; TCP
    std::optional<bool> target_up;            // absent where the target is another host's
};

RuleCounts counts_of(const RuleView& rule);

struct CallCount {
    const char* call = "";   // bind, connect, sendmsg
    const char* result = ""; // rewritten, denied
    std::uint64_t count = 0;
};
// System calls. Of a cgroup's rule those of its own programs and of others: bind and connect, for UDP
// also sendmsg, each datagram of an unconnected socket. Of any rule, binds of guarded ports.
std::vector<CallCount> calls_of(const RuleView& rule);

} // namespace bpfport
