// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What keeps direct clients from an --exclusive target whatever their packets look like: an sk_lookup
// program in the network namespace, its link `exclusive_link` in the instance's directory. It is there
// while a rule in force is exclusive.
#pragma once

#include <vector>

#include "base/error.hpp"
#include "state/instance.hpp"

namespace bpfport {

// In place afterwards as the rules want it. A link that somebody removed is made again, and one with
// another version's program gets this version's.
Result<void> attach_exclusive(const Instance& instance, const std::vector<InstalledRule>& rules);
// For the rules in force after a change: away with what none of them needs.
Result<void> remove_exclusive(const Instance& instance, const std::vector<InstalledRule>& rules);

// Whether its link runs.
bool exclusive_alive(const Instance& instance);

} // namespace bpfport
