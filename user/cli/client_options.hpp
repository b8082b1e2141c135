// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// --from and --not-from: the clients of every rule of a command.
#pragma once

#include <string>
#include <vector>

#include "cli/command_line.hpp"
#include "rule/rule.hpp"

namespace bpfport {

struct ClientOptions {
    std::string from, not_from; // lists of prefixes; empty: not given

    [[nodiscard]] bool given() const { return !from.empty() || !not_from.empty(); }
};

void add_client_options(CommandLine& command, ClientOptions& options);

// Gives them to the rules, none of which may have its own then.
Result<void> put_clients(const ClientOptions& options, std::vector<Rule>& rules);

} // namespace bpfport
