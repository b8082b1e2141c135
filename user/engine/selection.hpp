// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Selection: which of the rules that are attached a command names, on interfaces and on cgroups.
#pragma once

#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "rule/rule.hpp"

namespace bpfport {

class NamedRules {
  public:
    // With none, every rule is named. A rule is named by its ports, whatever its weight is.
    explicit NamedRules(const std::vector<Rule>& rules);

    // Whether this rule, which is attached, is named.
    bool take(const Rule& rule);
    // Whether each that is named was taken. The error says where it is not, and lists the `count` rules that are
    // attached, of which text() returns one.
    [[nodiscard]] Result<void> all_taken(std::string_view where, std::size_t count,
                                         const std::function<std::string(std::size_t)>& text) const;

  private:
    std::vector<Rule> rules_;
    std::set<Rule> names_, taken_;
};

} // namespace bpfport
