// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What a plan changes, a line for each rule: of interfaces and of cgroups.
#pragma once

#include <ostream>
#include <string>
#include <string_view>

#include <fmt/ostream.h>

#include "engine/rule_changes.hpp"

namespace bpfport {

inline constexpr std::string_view kAttached = "attached";
inline constexpr std::string_view kWouldBeAttached = "would be attached"; // --explain

struct PlanWords {
    std::string_view done; // kAttached, kWouldBeAttached
    std::string_view hook; // how packets are seen; empty: the engine sees none
};

// `text` and `engine` say of a rule: "80:3000 on eth0", "tc".
template <typename RuleType>
void print_changes(std::ostream& out, const RuleChanges<RuleType>& plan, const PlanWords& words,
                   const auto& text, const auto& engine) {
    for (const auto& rule : plan.kept) fmt::print(out, "{}: attached already\n", text(rule));
    for (const auto& [before, after] : plan.replaced) {
        const std::string was = engine(before), is = engine(after);
        fmt::print(out, "{}: {}, replaces {} ({}{}{})\n", text(after), words.done,
                   before.rule.to_string(), was == is ? "" : was, was == is ? "" : ", now ", is);
    }
    for (const auto& rule : plan.added)
        fmt::print(out, "{}: {} ({}{}{})\n", text(rule), words.done, engine(rule),
                   words.hook.empty() ? "" : ", ", words.hook);
}

} // namespace bpfport
