// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Counts: the numbers of one rule that its engine can tell. What an engine can't count is absent,
// not 0: tc and xdp count packets, bytes and connections; sklookup, which sees no packet after the
// first, connections, and packets where tc serves instead; cgroup, which sees no packet at all,
// system calls.
#pragma once

#include <cstdint>
#include <optional>

#include "stats/snapshot.hpp"

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

RuleCounts counts_of(const RuleStatus& rule);

} // namespace bpfport
