// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Place: whether packets pass where a rule is put, and which clients it can't see from there. Pure:
// the facts of the host come in as values.
#pragma once

#include <string>
#include <vector>

#include "engine/plan.hpp"
#include "facts/network_view.hpp"

namespace bpfport {

// Refused: a device by whose hooks no packet ever comes, with those by which they do.
Result<void> refuse_place(const RuleSpec& rule, const NetworkView& view);

// The port of a bridge, bond or team, whose addresses are the master's; an address that no
// interface has; clients whose replies are encrypted before programs see them.
std::vector<Warning> place_warnings(const std::vector<RuleSpec>& rules, const NetworkView& view);

// The host's own bridges and veths whose clients ask an interface's address and are not served by
// `rules`, of all those in force, which hold for other interfaces; empty: there are none.
std::string unserved_note(const std::vector<RuleSpec>& rules, const std::vector<RuleSpec>& in_force,
                          const NetworkView& view);

// The master of a bridge's, bond's or team's port, which has the addresses; nullptr: none.
const Interface* addressed_master(const Interface& port, const std::vector<Interface>& interfaces);

} // namespace bpfport
