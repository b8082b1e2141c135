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
#include "rule/rule.hpp"

namespace bpfport {

struct InstalledRule {
    std::uint16_t id = 0; // 0: not in the table yet
    Rule rule;
    unsigned ifindex = 0;               // 0: every interface
    std::uint32_t engine = 0;           // enum bp_engine
    std::uint16_t flags = 0;            // BP_RULE_NO_LOCAL ... BP_RULE_EXCLUSIVE
    std::uint8_t on_absent = 0;         // enum bp_on_absent
    std::uint16_t old_target_first = 0; // see bp_rule

    [[nodiscard]] bool has(std::uint16_t flag) const { return (flags & flag) != 0; }
    // Both share the connections to one listen port, of one interface or all.
    [[nodiscard]] bool shares_with(const InstalledRule& other) const {
        return ifindex == other.ifindex && rule.shares_with(other.rule);
    }
};

// What its engine wants of the ports of a rule in the table.
struct SlotBits {
    std::uint32_t target = 0; // BP_PORT_*, besides: of the target port
    bool dormant = false;     // tcp: the tc programs have no part in it unless they are woken
};
using SlotBitsOf = SlotBits (*)(const InstalledRule& rule);
inline SlotBits no_slot_bits(const InstalledRule&) { return {}; }

using PortEntries = std::array<std::array<std::uint32_t, 65536>, BP_PROTOS>;

struct TableSide {
    std::unique_ptr<PortEntries> ports;
    std::vector<std::pair<std::uint16_t, bp_rule>> rules; // by id
    std::vector<bp_span> spans;
    std::uint32_t exclusive = 0; // bp_table.exclusive
    bool uses_tc = false;        // bp_table.tc_used
};

// Of rules that all have an id.
TableSide build_side(const std::vector<InstalledRule>& rules, SlotBitsOf bits_of);

// Back from the table, whose side in force has these spans; none: the entry is free.
std::optional<InstalledRule> from_raw(std::uint16_t id, const bp_rule& raw,
                                      std::span<const bp_span> spans);

} // namespace bpfport
