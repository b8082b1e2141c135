// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Shares: rules with weights that listen for the same on the same interface, and share its new connections.
// Pure functions over values.
#pragma once

#include <optional>
#include <span>

#include "base/error.hpp"
#include "rule/conflict.hpp"

namespace bpfport {

struct ShareConflict {
    const PlacedRule* rule; // of `existing` or `added`; the error names it first
    Error error;
};

// Why rules that share can't hold together, of all that have a weight. Refused are:
//   - targets that overlap;
//   - more than BP_MAX_SHARES targets;
//   - weights that are all 0;
//   - other targets or weights for the same on another interface, if both serve 127.0.0.1 (see
//     check_conflicts).
std::optional<ShareConflict> find_share_conflict(std::span<const PlacedRule> existing,
                                                 std::span<const PlacedRule> added);

} // namespace bpfport
