// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <fmt/format.h>

#include "manual/completion.hpp"

namespace bpfport {

namespace {

constexpr const char* kFishFunctions =
    R"(# fish completion for bpfport. Written from the table of commands.

function __bpfport_scopes
    switch (commandline -ct)
        case 'unit:*'
            find /sys/fs/cgroup -maxdepth 6 -type d \( -name '*.service' -o -name '*.slice' \) 2>/dev/null | string replace -r '.*/' unit:
        case 'cgroup:*'
            find /sys/fs/cgroup -mindepth 1 -maxdepth 6 -type d 2>/dev/null | string replace /sys/fs/cgroup cgroup:
        case 'user:*'
            __fish_complete_users | string replace -r '^' user:
        case '*'
            for device in /sys/class/net/*
                string replace -r '.*/' '' -- $device
            end
            printf '%s\n' any cgroup: unit: container: user: pid:
    end
end

function __bpfport_netns
    for name in /run/netns/*
        string replace -r '.*/' '' -- $name
    end
end

complete -c bpfport -f
)";

// In single quotes.
std::string fish_quoted(const std::string& text) {
    std::string out = "'";
    for (char c : text) {
        if (c == '\'' || c == '\\') out += '\\';
        out += c;
    }
    return out + "'";
}

constexpr ShellValues kFishValues{
    .files = " -F",
    .directories = " -a '(__fish_complete_directories)'",
    .users = " -a '(__fish_complete_users)'",
    .netns = " -a '(__bpfport_netns)'",
    .scopes = " -a '(__bpfport_scopes)'",
    .words =
        [](const std::string& words) { return words.empty() ? "" : " -a " + fish_quoted(words); },
};

std::string completions(const CommandText& app, const std::vector<OptionText>& options,
                        const std::string& condition) {
    std::string out;
    for (const auto& option : options) {
        out += "complete -c bpfport" + condition;
        for (const auto& name : option.names)
            out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
        if (!option.names.empty() && !option.value.empty())
            out += option.values == Values::kFiles ? " -r" : " -x";
        if (!option.names.empty()) out += " -d " + fish_quoted(option.help);
        out += value_completion(kFishValues, app, option) + "\n";
    }
    return out;
}

} // namespace

std::string fish_completion(const CommandText& app) {
    std::string out = kFishFunctions + completions(app, app.options, {});
    for (const auto& command : app.commands)
        out += fmt::format("complete -c bpfport -n __fish_use_subcommand -a {} -d {}\n",
                           command.name, fish_quoted(command.description));
    for (const auto& command : app.commands)
        out += completions(app, command.options,
                           fmt::format(" -n '__fish_seen_subcommand_from {}'", command.name));
    return out;
}

} // namespace bpfport
