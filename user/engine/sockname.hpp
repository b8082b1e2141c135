// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The getsockname hooks of the sklookup engine: a steered connection is on the listen port, and the
// program that accepted it is told the target port all the same, as behind any other redirect. They
// are on the root cgroup, since the program may be in any.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "bpfport/listener.h"
#include "state/store.hpp"
#include "state/table.hpp"

namespace bpfport {

// Why the hooks can't be had in the current network namespace, for a sentence; empty: they can, or
// are in place already. Found by attaching a program that changes nothing, and detaching it.
std::string why_no_sockname(const Store& store);

// A rule whose connections' getsockname(2) is to say the target port.
bool wants_sockname(const RuleSpec& rule);

// Attaches what is missing to an attachment of the sklookup engine that is in place. An error also
// where that is done, but doesn't concern every program of the host.
Result<void> attach_sockname(const Store& store, std::uint64_t netns);

} // namespace bpfport
