// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Completions of the command line, for three shells. What can be known of the machine without
// privileges is offered too: interfaces, network namespaces, units, cgroups, users.
#pragma once

#include <string>

#include "cli/command_text.hpp"

namespace bpfport {

// How a shell completes a value of each kind; `words`: those given, which may be none.
struct ShellValues {
    const char* files;
    const char* directories;
    const char* users;
    const char* netns;
    const char* scopes;
    std::string (*words)(const std::string& words);
};
std::string value_completion(const ShellValues& shell, const CommandText& app,
                             const OptionText& option);

std::string bash_completion(const CommandText& app);
std::string zsh_completion(const CommandText& app);
std::string fish_completion(const CommandText& app);

} // namespace bpfport
