// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <fmt/format.h>

#include "manual/completion.hpp"

namespace bpfport {

namespace {

constexpr const char* kZshFunctions = R"(#compdef bpfport
# zsh completion for bpfport. Written from the table of commands.

_bpfport_scopes() {
    local -a names
    case $PREFIX in
        unit:*)
            names=(/sys/fs/cgroup/**/*.(service|slice)(N/:t))
            compadd - unit:${^names}
            ;;
        cgroup:*)
            names=(/sys/fs/cgroup/**/*(N/))
            names=(${names#/sys/fs/cgroup})
            compadd - cgroup:${^names}
            ;;
        user:*)
            names=(${(k)userdirs})
            compadd - user:${^names}
            ;;
        *)
            compadd - /sys/class/net/*(N:t) any
            compadd -S '' - cgroup: unit: container: user: pid:
            ;;
    esac
}

_bpfport_netns() { compadd - /run/netns/*(N:t) }

_bpfport() {
    local context state line curcontext=$curcontext
    typeset -A opt_args
    _arguments -C \
)";

// In single quotes, in a specification of _arguments, where ':', '[' and ']' have a meaning.
std::string specified(const std::string& text) {
    std::string out;
    for (char c : text) {
        if (c == ':' || c == '[' || c == ']' || c == '\\') out += '\\';
        out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return out;
}

constexpr ShellValues kZshValues{
    .files = "_files",
    .directories = "_directories",
    .users = "_users",
    .netns = "_bpfport_netns",
    .scopes = "_bpfport_scopes",
    .words =
        [](const std::string& words) { return words.empty() ? " " : fmt::format("({})", words); },
};

std::string specifications(const CommandText& app, const std::vector<OptionText>& options,
                           const char* indent) {
    std::string out;
    for (const auto& option : options) {
        const std::string value = option.value.empty()
                                      ? std::string()
                                      : fmt::format(":{}:{}", specified(option.value),
                                                    value_completion(kZshValues, app, option));
        if (option.names.empty()) out += fmt::format("{}'*{}' \\\n", indent, value);
        for (const auto& name : option.names)
            out += fmt::format("{}'{}[{}]{}' \\\n", indent, name, specified(option.help), value);
    }
    return out;
}

} // namespace

std::string zsh_completion(const CommandText& app) {
    std::string out = kZshFunctions;
    out += specifications(app, app.options, "        ");
    out += "        '1:command:->command' \\\n        '*::word:->word'\n"
           "    case $state in\n        command)\n            local -a commands=(\n";
    for (const auto& command : app.commands)
        out +=
            fmt::format("                '{}:{}'\n", command.name, specified(command.description));
    out += "            )\n            _describe command commands\n            ;;\n"
           "        word)\n            case $words[1] in\n";
    for (const auto& command : app.commands)
        out += fmt::format("                {})\n                    _arguments \\\n{}{}"
                           "                        && return\n                    ;;\n",
                           command.name,
                           specifications(app, command.options, "                        "),
                           specifications(app, app.options, "                        "));
    return out + "            esac\n            ;;\n    esac\n}\n\n"
                 "if [[ $funcstack[1] == _bpfport ]]; then\n    _bpfport \"$@\"\nelse\n"
                 "    compdef _bpfport bpfport\nfi\n";
}

} // namespace bpfport
