// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// RuleSpec: a rule with all that is said of it: the interface that it holds for, the engine that serves
// it, its options. The same before it is in the table and after, of interfaces and of cgroups.
#pragma once

#include <cstdint>

#include "bpfport/table.h"
#include "rule/rule.hpp"

namespace bpfport {

struct RuleSpec {
    std::uint16_t id = 0; // 0: not in the table yet
    Rule rule;
    unsigned ifindex = 0;               // 0: every interface
    std::uint32_t engine = 0;           // enum bp_engine
    std::uint16_t flags = 0;            // BP_RULE_NO_LOCAL ... BP_RULE_EXCLUSIVE
    std::uint8_t on_absent = 0;         // enum bp_on_absent
    std::uint16_t old_target_first = 0; // see bp_rule

    [[nodiscard]] bool has(std::uint16_t flag) const { return (flags & flag) != 0; }
    // Both share the connections to one listen port, of one interface or all.
    [[nodiscard]] bool shares_with(const RuleSpec& other) const {
        return ifindex == other.ifindex && rule.shares_with(other.rule);
    }
};

} // namespace bpfport
