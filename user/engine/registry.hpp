// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The engines that there are. What is said of engines anywhere (help, --explain, status, doctor,
// metrics, docs/engines.md) comes from here.
#pragma once

#include <span>
#include <string_view>

#include "engine/contract.hpp"

namespace bpfport {

// In the order in which `auto` asks them.
std::span<const Engine* const> engines();

// By name; nullptr: there is none, or none whose rules are of interfaces.
const Engine* find_engine(std::string_view name);
// Of a rule in the table, or to be put there. One that this version doesn't know does nothing.
const Engine& engine_of(std::uint32_t id);
inline const Engine& engine_of(const RuleSpec& rule) { return engine_of(rule.engine); }

inline const char* engine_name(std::uint32_t id) { return engine_of(id).info().name; }

// The hooks that rules of all engines need.
WantedHooks wanted_hooks(const std::vector<RuleSpec>& rules,
                         const std::vector<Interface>& interfaces);
// For state/table.hpp.
SlotBits slot_bits(const RuleSpec& rule);

// "--forwarded", "--vlan": options by their names.
std::vector<std::string> option_names(unsigned options);
// "packets", "bytes", "connections", "calls".
std::vector<std::string> count_names(unsigned counts);

} // namespace bpfport
