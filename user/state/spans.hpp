// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Spans: ranges of addresses that may lie within each other, as the sorted lists that the programs search
// by halves (bp_span in bpfport/table.h). Pure functions over values.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "bpfport/table.h"

namespace bpfport {

inline constexpr std::uint32_t kLoScope = 1; // LOOPBACK_IFINDEX: the scope of lo

// An address as a number: network byte order read as an integer.
__extension__ typedef unsigned __int128 WideNumber;
WideNumber wide(const std::array<std::uint8_t, 16>& address);

struct AddressRange {
    WideNumber first = 0, last = 0; // both belong to it
    std::uint64_t rank = 0; // where ranges overlap the least rank wins, then the earlier one
    std::uint16_t id = 0;   // of the rule
};

// The list for `ranges`: every address is in one span, whose `rule` is that of the winning range; 0: none.
std::vector<bp_span> spans_of(const std::vector<AddressRange>& ranges);

// The spans of one side of the table: sets, and the lists of addresses they refer to.
class SpanStore {
  public:
    // Index 0 is the empty set.
    SpanStore();

    using Scopes = std::map<std::uint32_t, std::vector<AddressRange>>; // by enum bp_scope
    // The index of the set. Scopes with the same ranges share a list.
    std::uint32_t add(const Scopes& scopes);

    [[nodiscard]] const std::vector<bp_span>& spans() const { return spans_; }

  private:
    std::vector<bp_span> spans_;
};

// bp_search_set() of bpf/lib/rules.h, in the spans of one side.
std::uint16_t search_set(const bp_span* spans, std::uint32_t set, std::uint32_t scope,
                         WideNumber address);

} // namespace bpfport
