// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What is local by the routing of the current network namespace, by rtnetlink: its addresses, and
// prefixes that it answers for as a whole (AnyIP).
#pragma once

#include <compare>
#include <cstddef>
#include <span>
#include <vector>

#include "base/error.hpp"
#include "rule/address.hpp"

namespace bpfport {

struct LocalPrefix {
    Address prefix;
    unsigned length = 0; // of the address as IPv6: 128 for one address of either family
    auto operator<=>(const LocalPrefix&) const = default;
};

// Routes of type local, of every table, so of VRFs too.
Result<std::vector<LocalPrefix>> local_prefixes();

// The parser: RTM_NEWROUTE messages; others and malformed ones are skipped.
std::vector<LocalPrefix> parse_local_prefixes(std::span<const std::byte> messages);

} // namespace bpfport
