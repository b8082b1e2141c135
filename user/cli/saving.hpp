// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Saving: --save of a command that changes rules or grants. The files say afterwards what the kernel
// does, or both are as before; unless --save was given, each function does nothing.
#pragma once

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "cli/command_line.hpp"
#include "cli/session.hpp"
#include "config/policy_save.hpp"

namespace bpfport {

class Saving {
  public:
    void add_to(CommandLine& command);

    // Before the command's own work: what the files shall say. An error: what no file can say.
    Result<void> ask(const Session& session, PolicyEdit edit);
    // An error with this message: what goes with --save is not said by a file.
    [[nodiscard]] Result<void> refuse(const std::string& message, const std::string& hint) const;

    // With the lock held, so that no other command edits them meanwhile. Nothing is written.
    Result<void> plan();
    // Commits the change. The files are on disk before, and renamed into place behind all its steps; if that
    // fails what `undo` returns takes back those that can't be undone by themselves. It is asked only if
    // something is saved.
    Result<void> commit(Change& change, const std::function<Change::Step()>& undo = {});

    // "saved in /etc/bpfport/policy.toml", for each file.
    void print(std::ostream& out, std::string_view done) const;

  private:
    std::string where_; // empty: --save was not given
    std::optional<PolicyEdit> edit_;
    std::optional<PolicySave> save_;
};

PolicyEdit rules_edit(PolicyEdit::Kind kind, const std::vector<Scope>& scopes,
                      const std::vector<Rule>& rules);
// What brings the rules back that are in force now.
Change::Step back_to_now(NetnsRules& netns);

} // namespace bpfport
