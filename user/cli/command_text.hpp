// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the command line accepts, as data: CommandLine keeps it beside what CLI11 reads, and man pages
// and completions are written from it (manual/).
#pragma once

#include <string>
#include <vector>

namespace bpfport {

// What a shell offers for a value.
enum class Values { kNone, kFiles, kDirectories, kUsers, kNetns, kScopes, kCommands };

struct OptionText {
    std::vector<std::string> names; // "--explain", "--dry-run"; none: words in their place
    std::string value;              // "SECONDS", as the help has it; empty: a flag
    std::string help;
    std::string fallback; // its value when it is not given; empty: none
    std::string range;    // "1024 to 16777216"; empty: any
    std::vector<std::string> choices;
    Values values = Values::kNone;

    [[nodiscard]] bool is_word() const { return names.empty(); }
};

struct CommandText {
    std::string name, description;
    std::string footer; // as Topic::text (cli/topics.hpp)
    std::vector<OptionText> options;
    std::vector<CommandText> commands;
};

// Of bpfport as a whole.
CommandText command_text();

} // namespace bpfport
