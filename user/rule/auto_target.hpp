// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Rules whose target port is for us to choose: 80:auto, 127.0.0.1:8000-8010:auto/udp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "rule/rule.hpp"

namespace bpfport {

struct AutoRule {
    std::optional<Prefix> local;
    PortRange listen;
    Protocol protocol = Protocol::kTcp;

    [[nodiscard]] std::string to_string() const; // 80:auto
};

bool is_auto_rule(std::string_view word);
Result<std::vector<AutoRule>> parse_auto_rules(std::string_view word);

// As many adjacent high ports as the rule has, none of them in `taken`, found from a place that
// `seed` gives, so that different seeds seldom meet.
Result<Rule> with_target(const AutoRule& rule, const PortList& taken, std::uint64_t seed);

} // namespace bpfport
