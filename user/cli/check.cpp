// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport check [FILE...]
#include <ostream>

#include <fmt/ostream.h>

#include "cli/command.hpp"
#include "config/policy_files.hpp"

namespace bpfport {

namespace {

std::string counted(std::size_t count, const char* what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

Result<void> check(const Session& session, const std::vector<std::string>& names) {
    auto loaded = load_policy(names, Trust::kAny);
    if (!loaded) return report_policy(session, loaded.error());
    std::size_t rules = 0, grants = 0;
    for (const auto& entry : loaded->policy.entries) {
        rules += (entry.rules.size() + entry.autos.size()) * entry.scopes.size();
        grants += entry.grants.size();
    }
    fmt::print(session.out, "no errors: {}, {}, {}\n", counted(loaded->files.size(), "file"),
               counted(rules, "rule"), counted(grants, "grant"));
    return {};
}

} // namespace

Result<void> report_policy(const Session& session, const PolicyFaults& faults) {
    for (const auto& error : faults.errors) fmt::print(session.err, "{}", error.to_string());
    return std::unexpected(faults.error);
}

Command add_check(CommandLine& app) {
    auto names = std::make_shared<std::vector<std::string>>();
    auto* command = app.add_subcommand("check", "Report every error of a policy file");
    command->footer(fmt::format(
        "Without a file: {0}/policy.toml and {0}/policy.d/*.toml; of a directory likewise.\n"
        "Exit status: 0 no errors, 1 a file can't be read, 2 errors. docs/policy.md has the "
        "format.",
        kPolicyDirectory));
    command->add_option("FILE", *names, "Policy files, which are checked together")
        ->suggest(Values::kFiles);
    return {command, [names](const Session& session) { return check(session, *names); }};
}

} // namespace bpfport
