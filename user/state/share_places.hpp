// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// SharePlaces: rules that share new connections by weight, and where each is in the spans of the table.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "state/rule_spec.hpp"
#include "state/spans.hpp"

namespace bpfport {

class SharePlaces {
  public:
    // Adds those that share to the store. The rules outlive it.
    SharePlaces(SpanStore& store, const std::vector<RuleSpec>& rules);

    // bp_rule.shares; 0: it shares with none.
    [[nodiscard]] std::uint32_t of(const RuleSpec& rule) const;
    // Whether another of those that share stands for it in lists of addresses.
    [[nodiscard]] bool is_represented(const RuleSpec& rule) const;

  private:
    struct Place {
        std::uint32_t index;
        bool represented;
    };
    std::map<const RuleSpec*, Place> places_;
};

} // namespace bpfport
