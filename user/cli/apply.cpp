// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport apply [FILE...]
#include <chrono>
#include <optional>
#include <ostream>

#include <fmt/ostream.h>

#include "cli/apply_confirm.hpp"
#include "cli/apply_policy.hpp"
#include "cli/command.hpp"
#include "config/policy_files.hpp"

namespace bpfport {

namespace {

struct ApplyCommand {
    std::vector<std::string> names;
    bool dry_run = false;
    bool prune = false;
    std::string confirm; // a time; empty: without
};

// What was in force before, of what was changed; nullopt: nothing was.
Result<std::optional<BeforeApply>> apply_now(const Session& session, const ApplyCommand& command,
                                             const HostOptions& host, ApplyStage& stage) {
    auto change = begin_change(session);
    if (!change) return std::unexpected(change.error());
    auto applied = apply_policy(*change, stage, host, command.prune ? Prune::all() : Prune::none(),
                                command.dry_run ? ApplyMode::kPlan : ApplyMode::kPut);
    if (!applied) return std::unexpected(applied.error());
    print_lines(session.out, applied->lines, {command.dry_run, stage.skipped});
    print_warnings(session, stage.warnings);
    print_warnings(session, applied->warnings);
    for (const auto& note : applied->notes) print_note(session, note);
    return std::move(applied->before);
}

Result<void> wait_for_confirmation(const Session& session, const ApplyConfirm& confirm,
                                   std::chrono::seconds time, const BeforeApply& before) {
    fmt::print(session.err, "confirm within {} s: bpfport confirm\n", time.count());
    session.out.flush();
    session.err.flush();
    auto confirmed = confirm.wait(time);
    if (confirmed && *confirmed) return {};
    if (auto taken = take_back(session, before); !taken)
        return context("not confirmed, and not all is as it was before", taken.error());
    return failure("not confirmed: all is as it was before");
}

Result<void> apply(const Session& session, const ApplyCommand& command) {
    std::chrono::seconds time{};
    if (!command.confirm.empty()) {
        auto parsed = parse_duration(command.confirm);
        if (!parsed) return std::unexpected(parsed.error());
        time = *parsed;
    }
    auto loaded = load_policy(command.names, Trust::kOwn);
    if (!loaded) return report_policy(session, loaded.error());
    if (auto entered = enter_session_netns(session); !entered) return entered;
    auto stage = stage_policy(loaded->policy);
    if (!stage) return std::unexpected(stage.error());
    std::optional<ApplyConfirm> confirm;
    if (!command.dry_run) {
        if (auto free = refuse_while_waiting(session); !free) return free;
        if (time.count()) {
            auto begun = ApplyConfirm::begin(session);
            if (!begun) return std::unexpected(begun.error());
            confirm.emplace(std::move(*begun));
        }
    }
    auto before = apply_now(session, command, loaded->policy.host, *stage);
    if (!before) return std::unexpected(before.error());
    if (!confirm || !*before) return {};
    return wait_for_confirmation(session, *confirm, time, **before);
}

} // namespace

Command add_apply(CommandLine& app) {
    auto options = std::make_shared<ApplyCommand>();
    auto* command = app.add_subcommand("apply", "Put rules and grants of policy files into force");
    command->footer(fmt::format(
        "Without a file: {0}/policy.toml and {0}/policy.d/*.toml. Says what it adds, changes and\n"
        "removes; what is in force as the files have it is not touched. If any part fails, all is\n"
        "as it was before. docs/policy.md has the format.",
        kPolicyDirectory));
    command->add_option("FILE", options->names, "Policy files, which are applied together")
        ->suggest(Values::kFiles);
    command->add_flag("--dry-run", options->dry_run, "Say what would be done; do nothing");
    command->add_flag("--prune", options->prune, "Remove rules and grants that no file has");
    command
        ->add_option("--confirm", options->confirm,
                     "Take back what was done unless `bpfport confirm` follows within this time")
        ->type_name("30s|5m");
    return {command, [options](const Session& session) { return apply(session, *options); }};
}

Command add_confirm(CommandLine& app) {
    auto* command = app.add_subcommand("confirm", "Keep what `apply --confirm` did");
    command->footer("Best from a new connection: it shows that the host can still be reached.");
    return {command, &confirm_apply};
}

} // namespace bpfport
