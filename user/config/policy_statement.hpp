// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// PolicyStatement: one rule or grant on one scope, as the files of a policy say it. PolicyEdit: what a command
// would have them say. What an edit means is decided here, apart from how texts are changed
// (policy_edit.hpp), so that the one can be checked by the other.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "config/host_policy.hpp"

namespace bpfport {

using PolicyItem = std::variant<Rule, AutoRule, Grant>;
std::string to_string(const PolicyItem& item);

struct PolicyStatement {
    Scope scope;
    PolicyItem item;
    EntryOptions options; // of a grant without meaning
    SourcePlace place;

    [[nodiscard]] std::string to_string() const; // 80:3000 on eth0
};

struct PolicyEdit {
    enum class Kind { kPut, kRemove };
    enum class Of { kRules, kGrants };
    Kind kind = Kind::kPut;
    Of of = Of::kRules;
    std::vector<Scope> scopes;
    std::vector<PolicyItem> items; // of kRemove: none for all of the scopes
    EntryOptions options;          // of kRemove: netns alone counts

    [[nodiscard]] bool on_cgroups() const { return scopes.front().is_cgroup(); }
};

// Whether the one is a pattern for the other.
bool is_of_pattern(const Scope& pattern, const Scope& interface);

// Whether what an entry says of `scope` goes, be it that another item takes its place.
bool ends(const PolicyEdit& edit, const Scope& scope, const EntryOptions& options,
          const PolicyItem& item);
// Whether that is what the edit puts.
bool says(const PolicyEdit& edit, const EntryOptions& options, const PolicyItem& item,
          const PolicyItem& wanted);

// Whether one of `all` says that of the scope, by its name or by a pattern that matches it.
bool is_said(const std::vector<PolicyStatement>& all, const PolicyEdit& edit, const Scope& scope,
             const PolicyItem& wanted);

// What the edit puts in the place of a rule that ends; nullptr: nothing.
const PolicyItem* replacement(const PolicyEdit& edit, const PolicyItem& item);

// Whether both mean the same for entries of interfaces or of cgroups; `required` apart.
bool same_options(const EntryOptions& left, const EntryOptions& right, bool on_cgroup);

std::vector<Written<PolicyItem>> items_of(const PolicyEntry& entry);
std::vector<PolicyStatement> statements(const HostPolicy& policy);

// What the policy shall say afterwards. An error: what a file can't say, or what an entry for a pattern says of
// an interface that the edit names.
Result<std::vector<PolicyStatement>> edited(std::vector<PolicyStatement> all,
                                            const PolicyEdit& edit);

// Whether both say the same, `required` apart; how often and in which order is of no meaning.
bool say_the_same(const std::vector<PolicyStatement>& left,
                  const std::vector<PolicyStatement>& right);

} // namespace bpfport
