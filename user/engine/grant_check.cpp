// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/grant_check.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace bpfport {

namespace {

bool is_below(const std::string& path, const std::string& above) {
    if (above == "/") return path != "/";
    return path.size() > above.size() && path.starts_with(above) && path[above.size()] == '/';
}

bool grants(const PolicyContent& content, std::uint16_t port, Protocol protocol) {
    return std::ranges::any_of(content.grants, [&](const Grant& grant) {
        return grant.protocol == protocol && grant.ports.contains(port);
    });
}

Result<void> check_pair(const PolicyAt& below, const PolicyAt& above, unsigned low_ports) {
    for (const auto& placed : above.content.rules) {
        const Rule& rule = placed.rule;
        for (unsigned at = rule.listen().first; at <= rule.listen().last; at++) {
            const auto port = static_cast<std::uint16_t>(at);
            const std::uint16_t target = rule.target_of(port);
            if (target >= low_ports || !grants(below.content, port, rule.protocol()) ||
                grants(below.content, target, rule.protocol()))
                continue;
            return failure(
                fmt::format("port {} is granted to {}, and {} on {} would make port {} "
                            "of it, which is not",
                            port, below.scope, rule.to_string(), above.scope, target),
                fmt::format("grant {} as well, or use a target from {} on", target, low_ports));
        }
    }
    return {};
}

} // namespace

Result<void> check_grants(const PolicyAt& own, const std::vector<PolicyAt>& others,
                          unsigned low_ports) {
    for (const auto& other : others) {
        Result<void> checked;
        if (is_below(own.path, other.path)) checked = check_pair(own, other, low_ports);
        if (is_below(other.path, own.path)) checked = check_pair(other, own, low_ports);
        if (!checked) return checked;
    }
    return {};
}

} // namespace bpfport
