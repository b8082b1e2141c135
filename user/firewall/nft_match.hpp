// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What an expression of nft's JSON, compared with values, says of the packets that a rule is for.
#pragma once

#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "firewall/firewall.hpp"

namespace bpfport {

// Narrows `rule` to packets whose `left` is one of `values`, or none of them; what can't be judged
// makes it uncertain.
void nft_match(FirewallRule& rule, const nlohmann::json& left,
               const std::vector<nlohmann::json>& values, bool negated);

} // namespace bpfport
