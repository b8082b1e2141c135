// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A command: its words and options as a CommandLine, and what to run once they are read. Each
// command has a file of its own; commands.cpp only lists them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "cli/command_line.hpp"
#include "cli/session.hpp"
#include "rule/auto_target.hpp"
#include "rule/rule.hpp"
#include "rule/scope.hpp"

namespace bpfport {

struct Command {
    CommandLine* line = nullptr;
    std::function<Result<void>(const Session&)> run;
    bool takes_command = false; // "-- COMMAND..." may follow
};

Command add_attach(CommandLine& app);
Command add_detach(CommandLine& app);
Command add_status(CommandLine& app);
Command add_stats(CommandLine& app);
Command add_top(CommandLine& app);
Command add_metrics(CommandLine& app);
Command add_exporter(CommandLine& app);
Command add_ss(CommandLine& app);
Command add_trace(CommandLine& app);
Command add_doctor(CommandLine& app);
Command add_grant(CommandLine& app);
Command add_revoke(CommandLine& app);
Command add_run(CommandLine& app);
Command add_oci_hook(CommandLine& app);
Command add_check(CommandLine& app);
Command add_apply(CommandLine& app);
Command add_confirm(CommandLine& app);
Command add_serve(CommandLine& app);
Command add_export(CommandLine& app);
Command add_help(CommandLine& app); // after the others, which it explains

// Prints what is wrong with a policy; the error says how much.
struct PolicyFaults;
Result<void> report_policy(const Session& session, const PolicyFaults& faults);

// --per-rule-limit of metrics and exporter.
void add_per_rule_limit(CommandLine& command, unsigned& limit);

// Words such as "eth0 wlan0 80:3000 443:8443/udp": scopes and rules in any order.
struct ScopesAndRules {
    std::vector<Scope> scopes;
    std::vector<Rule> rules;
    std::vector<AutoRule> autos; // 80:auto, on cgroups

    // All scopes are of cgroups, or none is: two engines, two commands.
    [[nodiscard]] Result<bool> on_cgroups() const;
};
Result<ScopesAndRules> split_words(const std::vector<std::string>& words);

} // namespace bpfport
