// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What keeps direct clients from an --exclusive target whatever their packets look like: an sk_lookup
// program in the network namespace, its link `exclusive_link` in the instance's directory. It is there
// while a rule in force is exclusive.
#pragma once

#include <vector>

#include "base/error.hpp"
#include "state/instance.hpp"

namespace bpfport {

// In place afterwards as the rules want it: a link that was removed is made again. One that is there
// stays, since loading the program takes the kernel as long as all the rest of a command.
Result<void> attach_exclusive(const Instance& instance, const std::vector<InstalledRule>& rules);
// The program of this version in the place of another's.
Result<void> upgrade_exclusive(const Instance& instance);
// For the rules in force after a change: away with what none of them needs.
Result<void> remove_exclusive(const Instance& instance, const std::vector<InstalledRule>& rules);

std::uint64_t exclusive_object_digest(std::uint64_t before); // object_digest() in kernel/object.hpp

// Whether its link runs. Else direct clients whose packets the hooks don't read reach the target.
bool exclusive_alive(const Instance& instance);

} // namespace bpfport
