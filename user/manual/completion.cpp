// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "manual/completion.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace bpfport {

std::string value_completion(const ShellValues& shell, const CommandText& app,
                             const OptionText& option) {
    std::string words = fmt::format("{}", fmt::join(option.choices, " "));
    switch (option.values) {
    case Values::kFiles:
        return shell.files;
    case Values::kDirectories:
        return shell.directories;
    case Values::kUsers:
        return shell.users;
    case Values::kNetns:
        return shell.netns;
    case Values::kScopes:
        return shell.scopes;
    case Values::kCommands:
        for (const auto& command : app.commands) words += " " + command.name;
        break;
    case Values::kNone:
        break;
    }
    return shell.words(words);
}

} // namespace bpfport
