// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/signed_rules.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "bpfport/meta.h"

namespace bpfport {

std::string why_signatures_fail(const RuleSpec& rule, const ListenerIndex& listeners) {
    if (!engine_of(rule).info().changes_requests) return {};
    auto targets = target_listeners(rule, listeners);
    auto found = std::ranges::find_if(
        targets, [](const Listener* listener) { return listener->socket.md5; });
    if (found == targets.end()) return {};
    return fmt::format("{} and has keys for TCP MD5 signatures, which cover the ports that this "
                       "engine changes: connections of peers with a key time out",
                       (*found)->to_string());
}

std::vector<Warning> signature_warnings(const Plan& plan, const HostFacts& facts) {
    std::vector<Warning> warnings;
    const ListenerIndex listeners(facts.listeners);
    for (const auto& rule : plan.rules) {
        auto why = why_signatures_fail(rule, listeners);
        if (!why.empty())
            warnings.push_back({fmt::format("{}: {}", rule.rule.to_string(), why), kSignedHint});
    }
    return warnings;
}

} // namespace bpfport
