// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Rules whose target's listener wants signed segments, served by an engine that changes ports: a
// signature covers the ports, so the receiver drops a segment whose port was changed.
#pragma once

#include <string>
#include <vector>

#include "engine/plan.hpp"

namespace bpfport {

// What is wrong with such a rule, for a sentence; empty: nothing.
std::string why_signatures_fail(const RuleSpec& rule, const ListenerIndex& listeners);
inline constexpr const char* kSignedHint = "--engine sklookup changes no segment";

// Of the rules that a plan puts in force.
std::vector<Warning> signature_warnings(const Plan& plan, const HostFacts& facts);

} // namespace bpfport
