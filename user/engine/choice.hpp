// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Choice: which engine serves a rule, and why. `auto` decides by the rule and the host; an engine
// that was asked for by name is used, or refused with the one that can do it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "facts/host_facts.hpp"
#include "state/table.hpp"

namespace bpfport {

enum class EngineChoice : std::uint8_t { kAuto, kTc, kXdp, kSklookup };

std::vector<std::string> engine_choices();                 // the words for --engine
EngineChoice parse_engine_choice(const std::string& word); // one of these words

// What the choice depends on besides the rule.
struct EngineHost {
    const std::vector<Interface>& interfaces;
    const SklookupSupport& sklookup;
};

struct ChosenEngine {
    std::uint32_t engine = 0; // enum bp_engine
    std::uint16_t flags = 0;  // BP_RULE_STANDBY, when tc is to stand by
    std::string why;          // a sentence for --explain
};
// `rule` with all but engine and id.
Result<ChosenEngine> choose_engine(EngineChoice wanted, const InstalledRule& rule,
                                   const EngineHost& host);

// Why sklookup can't serve the rule in full, for a sentence; empty: it can. UDP is another question:
// it can when asked to.
std::string why_not_sklookup(const InstalledRule& rule, const EngineHost& host);

const char* engine_name(std::uint32_t engine); // "tc", by enum bp_engine
const char* engine_text(std::uint32_t engine); // what it serves and what peers and programs see

} // namespace bpfport
