// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Rates: what changed for each rule between two snapshots. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "stats/counts.hpp"
#include "stats/view.hpp"

namespace bpfport {

// A view and when it was taken.
struct Sample {
    View view;
    std::chrono::steady_clock::time_point at;
};

// Per second. Absent when the engine can't count it, and for a rule that is new.
struct RuleRates {
    std::optional<double> packets_in;
    std::optional<double> bytes_in;
    std::optional<double> packets_out;
    std::optional<double> bytes_out;
    std::optional<double> connections;
};

struct RuleActivity {
    std::string scope;
    std::string rule;
    std::string protocol;
    std::string engine;
    bool in_force = true;
    RuleCounts counts;
    RuleRates rates;
    std::vector<CallCount> calls = {};
};

// The rules of `now`, in its order.
std::vector<RuleActivity> activity(const Sample& before, const Sample& now);

} // namespace bpfport
