// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Which rules have the tc programs look at packets at all.
#include <gtest/gtest.h>

#include "bpfport/meta.h"
#include "engine/registry.hpp"
#include "state/table_side.hpp"

namespace bpfport {
namespace {

RuleSpec rule(std::string_view text, std::uint16_t id, std::uint32_t engine,
              std::uint16_t flags = 0) {
    return {id, parse_rules(text)->front(), 0, engine, flags, BP_ABSENT_RESET, 0};
}

TEST(UsesTc, UnlessItIsTheFallbackOfEachRule) {
    const auto steered = rule("80:3000", 1, BP_ENGINE_SKLOOKUP, BP_RULE_FALLBACK);
    EXPECT_FALSE(build_side({}, slot_bits).uses_tc);
    EXPECT_FALSE(build_side({steered}, slot_bits).uses_tc);
    for (const auto& other :
         {rule("81:3001", 2, BP_ENGINE_TC), rule("81:3001", 2, BP_ENGINE_XDP),
          rule("53:5353/udp", 2, BP_ENGINE_SKLOOKUP),
          rule("81:3001", 2, BP_ENGINE_SKLOOKUP, BP_RULE_FALLBACK | BP_RULE_TC_FLOWS)})
        EXPECT_TRUE(build_side({steered, other}, slot_bits).uses_tc) << other.rule.to_string();
}

} // namespace
} // namespace bpfport
