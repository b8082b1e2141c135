// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The options of rules as engines and plans know them: of a policy's entry, and of attach's command line.
#pragma once

#include "config/host_policy.hpp"
#include "engine/netns_rules.hpp"
#include "engine/plan.hpp"

namespace bpfport {

// Scopes and rules are the caller's.
AttachRequest attach_request(const EntryOptions& options);

// Those of a rule that is in force: attach_request() makes it again. Who may bind its ports and in which
// network namespace it is, the rule doesn't know; whether it was forced is known nowhere.
EntryOptions entry_options(const RuleSpec& rule);

// Those that differ from the default: EngineOption.
unsigned given_options(const EntryOptions& options);

// reset, drop, pass, next: of an enum bp_on_absent.
const char* on_absent_word(std::uint8_t on_absent);

HookChoice hook_choice(std::string_view word); // auto, tcx, clsact

} // namespace bpfport
