// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/saving.hpp"

#include <ostream>

#include <fmt/ostream.h>

#include "config/policy_files.hpp"

namespace bpfport {

namespace {

// What ends with a process can't be in a file that outlives it.
Result<void> check_lasting(const PolicyEdit& edit) {
    const std::string& netns = edit.options.netns;
    if (!netns.empty() && netns.find_first_not_of("0123456789") == netns.npos)
        return usage_error(fmt::format("--save: network namespace {} is that of a process", netns),
                           "a policy outlives processes: name it by ip netns, or by a path");
    for (const auto& scope : edit.scopes)
        if (scope.kind() == Scope::Kind::kPid)
            return usage_error(fmt::format("--save: {} is a process", scope.to_string()),
                               "a policy outlives processes: name the cgroup, cgroup:PATH");
    if (edit.options.owner.starts_with("pid:"))
        return usage_error(fmt::format("--save: owner {} is a process", edit.options.owner),
                           "a policy outlives processes: name the user or the cgroup");
    return {};
}

} // namespace

void Saving::add_to(CommandLine& command) {
    command.add_flag("--save", where_,
                     fmt::format("Write it to {}/policy.toml as well, or with --save=FILE to that "
                                 "file: it is in force again after a reboot",
                                 kPolicyDirectory));
}

Result<void> Saving::ask(const Session& session, PolicyEdit edit) {
    if (where_.empty()) return {};
    if (where_ == "true") where_ = kPolicyDirectory;
    if (edit.of == PolicyEdit::Of::kRules) edit.options.netns = session.netns; // grants hold in all
    if (auto lasting = check_lasting(edit); !lasting) return lasting;
    edit_ = std::move(edit);
    return {};
}

Result<void> Saving::refuse(const std::string& message, const std::string& hint) const {
    if (where_.empty()) return {};
    return usage_error("--save: " + message, hint);
}

Result<void> Saving::plan() {
    if (!edit_) return {};
    auto planned = PolicySave::plan(where_, *edit_);
    if (!planned) return std::unexpected(planned.error());
    save_.emplace(std::move(*planned));
    return {};
}

Result<void> Saving::commit(Change& change, const std::function<Change::Step()>& undo) {
    if (save_) {
        if (auto staged = save_->stage(); !staged) return context("save", staged.error());
        change.add([this] { return save_->publish(); }, undo ? undo() : Change::Step());
    }
    return change.commit();
}

void Saving::print(std::ostream& out, std::string_view done) const {
    if (!save_) return;
    for (const auto& line : save_->lines(done)) fmt::print(out, "{}\n", line);
}

PolicyEdit rules_edit(PolicyEdit::Kind kind, const std::vector<Scope>& scopes,
                      const std::vector<Rule>& rules) {
    PolicyEdit edit{kind, PolicyEdit::Of::kRules, scopes, {}, {}};
    edit.items.insert(edit.items.end(), rules.begin(), rules.end());
    return edit;
}

Change::Step back_to_now(NetnsRules& netns) {
    return [&netns, now = netns.rules()] { return netns.apply(now); };
}

} // namespace bpfport
