// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/signed_rules.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "bpfport/meta.h"
#include "kernel/signed_sockets.hpp"

namespace bpfport {

std::string why_signatures_fail(const InstalledRule& rule,
                                const std::vector<const Listener*>& listeners,
                                const std::set<std::uint64_t>& signed_ones) {
    if (rule.engine == BP_ENGINE_SKLOOKUP || rule.rule.protocol() != Protocol::kTcp) return {};
    auto found = std::ranges::find_if(listeners, [&](const Listener* listener) {
        return signed_ones.contains(listener->socket.cookie);
    });
    if (found == listeners.end()) return {};
    return fmt::format("{} and has keys for TCP MD5 signatures, which cover the ports that this "
                       "engine changes: connections of peers with a key time out",
                       (*found)->to_string());
}

std::vector<Warning> signature_warnings(const Plan& plan, const HostFacts& facts) {
    std::vector<Warning> warnings;
    auto signed_ones = signed_listeners();
    if (!signed_ones) return warnings;
    for (const auto& rule : plan.rules) {
        auto why = why_signatures_fail(rule, target_listeners(rule, facts.listeners), *signed_ones);
        if (!why.empty())
            warnings.push_back({fmt::format("{}: {}", rule.rule.to_string(), why), kSignedHint});
    }
    return warnings;
}

} // namespace bpfport
