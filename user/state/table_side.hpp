// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// TableSide: what the programs read of a set of rules, made before anything is written. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "bpfport/table.h"
#include "state/rule_spec.hpp"

namespace bpfport {

// What its engine wants of the ports of a rule in the table.
struct SlotBits {
    std::uint32_t target = 0; // BP_PORT_*, besides: of the target port
    bool dormant = false;     // tcp: the tc programs have no part in it unless they are woken
};
using SlotBitsOf = SlotBits (*)(const RuleSpec& rule);
inline SlotBits no_slot_bits(const RuleSpec&) { return {}; }

using PortEntries = std::array<std::array<std::uint32_t, 65536>, BP_PROTOS>;

struct TableSide {
    std::unique_ptr<PortEntries> ports;
    std::vector<std::pair<std::uint16_t, bp_rule>> rules; // by id
    std::vector<bp_span> spans;
    std::uint32_t exclusive = 0; // bp_table.exclusive
    bool uses_tc = false;        // bp_table.tc_used
};

// Of rules that all have an id.
TableSide build_side(const std::vector<RuleSpec>& rules, SlotBitsOf bits_of);

// Back from the table, whose side in force has these spans; none: the entry is free.
std::optional<RuleSpec> from_raw(std::uint16_t id, const bp_rule& raw,
                                 std::span<const bp_span> spans);

} // namespace bpfport
