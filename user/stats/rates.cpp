// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "stats/rates.hpp"

#include <algorithm>

#include "engine/registry.hpp"

namespace bpfport {

namespace {

using Count = std::optional<std::uint64_t>;

// A counter that went back belongs to a new rule under the old one's id: it counts from zero.
std::optional<double> rate(Count before, Count now, double seconds) {
    if (!before || !now || seconds <= 0) return std::nullopt;
    return static_cast<double>(*now >= *before ? *now - *before : *now) / seconds;
}

RuleRates rates(const RuleCounts& before, const RuleCounts& now, double seconds) {
    return {rate(before.packets_in, now.packets_in, seconds),
            rate(before.bytes_in, now.bytes_in, seconds),
            rate(before.packets_out, now.packets_out, seconds),
            rate(before.bytes_out, now.bytes_out, seconds),
            rate(before.connections, now.connections, seconds)};
}

RuleActivity describe(const RuleView& status) {
    return {status.scope,
            status.rule.rule.to_string(),
            std::string(to_string(status.rule.rule.protocol())),
            engine_name(status.rule.engine),
            status.in_force,
            counts_of(status),
            {},
            calls_of(status)};
}

bool same_rule(const RuleView& left, const RuleView& right) {
    return left.rule.id == right.rule.id && left.rule.engine == right.rule.engine &&
           left.rule.rule == right.rule.rule && left.scope == right.scope;
}

} // namespace

std::vector<RuleActivity> activity(const Sample& before, const Sample& now) {
    std::vector<RuleActivity> all;
    const auto old = before.view.rules();
    double seconds = std::chrono::duration<double>(now.at - before.at).count();
    for (const auto& status : now.view.rules()) {
        all.push_back(describe(status));
        auto known = std::ranges::find_if(
            old, [&](const RuleView& other) { return same_rule(other, status); });
        if (known != old.end())
            all.back().rates = rates(counts_of(*known), all.back().counts, seconds);
    }
    return all;
}

} // namespace bpfport
