// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The table of commands: what bpfport accepts as a whole.
#pragma once

#include <string>
#include <vector>

#include "cli/command.hpp"

namespace bpfport {

inline constexpr const char* kDescription =
    "Lets a program be reached on a privileged port without root, proxy or conntrack";

// Where the options that go with every command are read to.
struct GlobalOptions {
    std::string& netns;
    std::string& root;
};

std::vector<Command> add_commands(CommandLine& app, GlobalOptions options);

} // namespace bpfport
