// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rule/auto_target.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace bpfport {

namespace {

constexpr std::string_view kAuto = ":auto";
// Above the registered ports that services are known by, below where the kernel takes source ports.
constexpr unsigned kFirst = 10000;
constexpr unsigned kLast = 32767;

} // namespace

std::string AutoRule::to_string() const {
    return fmt::format("{}{}{}{}", local_text(local), listen.to_string(), kAuto,
                       protocol == Protocol::kUdp ? "/udp" : "");
}

bool is_auto_rule(std::string_view word) {
    auto at = word.rfind(kAuto);
    return at != word.npos && (at + kAuto.size() == word.size() || word[at + kAuto.size()] == '/');
}

Result<std::vector<AutoRule>> parse_auto_rules(std::string_view word) {
    auto at = word.rfind(kAuto);
    auto before = word.substr(0, at);
    auto colon = before.rfind(':');
    auto listen = parse_port_list(colon == before.npos ? before : before.substr(colon + 1));
    if (!listen || listen->size() != 1)
        return usage_error(fmt::format("rule {:?}: no listen port before :auto", word),
                           "write 80:auto");
    // Any target of the right length beside it will do to have the rest checked as in every rule.
    PortRange ports = listen->front();
    unsigned target = ports.size() < ports.first ? 1 : ports.last + 1U;
    std::string text = fmt::format("{}:{}-{}{}", before, target, target + ports.size() - 1,
                                   word.substr(at + kAuto.size()));
    auto rules = parse_rules(text);
    if (!rules) return std::unexpected(rules.error());
    std::vector<AutoRule> result;
    for (const auto& rule : *rules)
        result.push_back({rule.local(), rule.listen(), rule.protocol()});
    return result;
}

Result<Rule> with_target(const AutoRule& rule, const PortList& taken, std::uint64_t seed) {
    unsigned size = rule.listen.size();
    unsigned room = kLast - kFirst + 1;
    for (unsigned tries = 0; size <= room && tries < room; tries++) {
        // A stride that meets every port once; neighbouring seeds begin far apart.
        unsigned first = kFirst + static_cast<unsigned>((seed * 7919 + tries) % room);
        if (first + size - 1 > kLast) continue;
        PortRange target{static_cast<std::uint16_t>(first),
                         static_cast<std::uint16_t>(first + size - 1)};
        if (std::ranges::any_of(taken, [&](PortRange range) { return range.overlaps(target); }))
            continue;
        if (auto made = Rule::make(rule.local, rule.listen, target, rule.protocol)) return made;
    }
    return failure(
        fmt::format("{}: no free target port from {} to {}", rule.to_string(), kFirst, kLast),
        "write the target port instead of auto");
}

} // namespace bpfport
