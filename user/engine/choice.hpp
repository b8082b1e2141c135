// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Choice: which engine serves a rule, and why. `auto` decides by the rule and the host; an engine
// that was asked for by name is used, or refused with the one that can do it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "rule/rule.hpp"

namespace bpfport {

enum class EngineChoice : std::uint8_t { kAuto, kTc, kXdp, kSklookup };

std::vector<std::string> engine_choices();               // the words for --engine
EngineChoice parse_engine_choice(const std::string& word); // one of these words

struct ChosenEngine {
    std::uint32_t engine = 0; // enum bp_engine
    std::string why;          // a sentence for --explain
};
Result<ChosenEngine> choose_engine(EngineChoice wanted, const Rule& rule);

const char* engine_name(std::uint32_t engine); // "tc", by enum bp_engine
const char* engine_text(std::uint32_t engine); // what it serves and what peers and programs see

} // namespace bpfport
