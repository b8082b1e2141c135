// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// EntryEdit: an edit's work in one entry of a policy file, [[interface]] or [[cgroup]].
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/policy_statement.hpp"
#include "config/toml_edit.hpp"

namespace bpfport {

class EntryEdit {
  public:
    // What it is given outlives it, and belongs to one file.
    EntryEdit(TomlEdit& toml, const TomlValue& document, const PolicyEdit& edit)
        : toml_(toml), document_(document), edit_(edit) {}

    // Removes what ends, or writes in its place what the edit puts there.
    void end_items(const PolicyEntry& entry);
    // Entries of which nothing is left. After the last end_items().
    void erase_empty();
    // What an entry says on, where something of it ends for some of its scopes only: for those, to be
    // appended.
    [[nodiscard]] const std::vector<PolicyEntry>& moved() const { return moved_; }

  private:
    using Ended = std::vector<bool>; // of each item
    void end_scopes(const PolicyEntry& entry, const TomlValue& table,
                    const std::map<Ended, std::vector<Scope>>& by_ended);
    [[nodiscard]] std::optional<std::string>
    rest_of(const TomlValue& value, const PolicyEntry& entry, const Ended& ended) const;
    void end_values(const PolicyEntry& entry, const TomlValue& table, const Ended& ended);

    TomlEdit& toml_;
    const TomlValue& document_;
    const PolicyEdit& edit_;
    std::vector<PolicyEntry> moved_;
    std::map<const TomlKey*, std::vector<std::size_t>> empty_; // of document's keys: which tables
};

// With the options of the edit, and no scope yet.
PolicyEntry entry_with(bool on_cgroup, const PolicyEdit& edit,
                       const std::vector<PolicyItem>& items);

// Puts the items of `more` to an entry for the same scopes with the same options. false: there is none.
bool extend_entry(TomlEdit& toml, const TomlValue& document, const HostPolicy& policy,
                  const PolicyEntry& more);

} // namespace bpfport
