// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What is local by the routing of the current network namespace, by rtnetlink: its addresses, and
// prefixes that it answers for as a whole (AnyIP).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/error.hpp"
#include "rule/prefix.hpp"

namespace bpfport {

// Routes of type local, of every table, so of VRFs too.
Result<std::vector<Prefix>> local_prefixes();

// The parser: RTM_NEWROUTE messages; others and malformed ones are skipped.
std::vector<Prefix> parse_local_prefixes(std::span<const std::byte> messages);

} // namespace bpfport
