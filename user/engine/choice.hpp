// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Choice: which engine serves a rule, and why. `auto` asks the engines in their order; one that was
// asked for by name is used, or refused with its reason.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "engine/registry.hpp"
#include "facts/host_facts.hpp"
#include "state/table.hpp"

namespace bpfport {

std::vector<std::string> engine_choices(); // the words for --engine, "auto" first

struct ChosenEngine {
    std::uint32_t engine = 0; // enum bp_engine
    std::uint16_t flags = 0;  // BP_RULE_FALLBACK, when tc is to stand by
    std::string why;          // a sentence for --explain
};
// `rule` with all but engine and id. `wanted`: nullptr for auto.
Result<ChosenEngine> choose_engine(const Engine* wanted, const RuleSpec& rule,
                                   const HostFacts& facts);

} // namespace bpfport
