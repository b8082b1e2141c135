// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The addresses of a rule's clients as ranges, and the order in which rules that share a local address
// take a client. Pure functions over values.
#pragma once

#include <cstdint>
#include <vector>

#include "rule/client_set.hpp"
#include "state/spans.hpp"

namespace bpfport {

struct WideRange {
    WideNumber first, last; // both belong to it
};
// The addresses of a prefix.
WideRange wide_range(const Prefix& prefix);

// AddressRange::rank of a rule: by local prefix, then by clients, then by ports, each the more specific
// first. `ports` is below 2^32.
std::uint64_t rule_rank(unsigned local_bits, const ClientSet& clients, std::uint32_t ports);

// The clients that the rule of `rule` is for, as ranges of their addresses with its id. Of all clients:
// one range.
std::vector<AddressRange> client_ranges(const AddressRange& rule);

// The list of the addresses of `clients`, with 1 as the id.
std::vector<AddressRange> client_ranges(const ClientSet& clients);

} // namespace bpfport
