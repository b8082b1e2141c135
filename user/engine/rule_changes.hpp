// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// RuleChanges: what a command would do to the rules of a network namespace (RuleSpec) or of a cgroup (PolicyRule).
#pragma once

#include <utility>
#include <vector>

#include "rule/conflict.hpp"

namespace bpfport {

template <typename RuleType> struct RuleChanges {
    std::vector<RuleType> rules; // all that will be in force
    std::vector<RuleType> added;
    std::vector<RuleType> kept;                          // asked for and there already
    std::vector<std::pair<RuleType, RuleType>> replaced; // before, after
    std::vector<Warning> warnings;

    // What is asked for, whether it is there already or not.
    void each_wanted(const auto& use) const {
        for (const auto& rule : added) use(rule);
        for (const auto& rule : kept) use(rule);
        for (const auto& [_, rule] : replaced) use(rule);
    }
    // Those that are new, or differ from what is in force.
    [[nodiscard]] std::vector<RuleType> changed() const {
        std::vector<RuleType> found = added;
        for (const auto& [_, rule] : replaced) found.push_back(rule);
        return found;
    }
};

} // namespace bpfport
