// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport serve [FILE...]
#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/serve_round.hpp"
#include "config/policy_files.hpp"
#include "kernel/capabilities.hpp"
#include "kernel/confine.hpp"
#include "serve/daemon.hpp"
#include "serve/lock.hpp"

namespace bpfport {

namespace {

struct ServeCommand {
    std::vector<std::string> names;
    bool prune = false;
};

Result<void> serve(const Session& session, const ServeCommand& command) {
    close_inherited();
    if (auto able = require_capabilities(kAttachCapabilities); !able) return able;
    auto lock = ServeLock::take(session.root);
    if (!lock) return std::unexpected(lock.error());
    if (auto entered = enter_session_netns(session); !entered) return entered;
    const auto prune = command.prune ? PruneWhat::kAll : PruneWhat::kFormer;
    auto daemon = Daemon::open(
        PolicySource(command.names), session.root, session.err,
        [&session, prune](const RoundTask& task) { return serve_round(session, task, prune); });
    if (!daemon) return std::unexpected(daemon.error());
    return daemon->run();
}

} // namespace

Command add_serve(CommandLine& app) {
    auto options = std::make_shared<ServeCommand>();
    auto* command = app.add_subcommand("serve", "Keep the kernel equal to policy files");
    command->footer(fmt::format(
        "Without a file: {0}/policy.toml and {0}/policy.d/*.toml. Applies them, and what differs "
        "again\n"
        "whenever the files, interfaces, addresses, network namespaces or cgroups change. Stays in "
        "the\n"
        "foreground. SIGHUP: read the files again. When it ends, what is in force stays so.",
        kPolicyDirectory));
    command->add_option("FILE", options->names, "Policy files, which are applied together")
        ->suggest(Values::kFiles);
    command->add_flag("--prune", options->prune,
                      "Remove rules and grants that no file has, those made by hand too");
    return {command, [options](const Session& session) { return serve(session, *options); }};
}

} // namespace bpfport
