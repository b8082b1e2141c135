// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// One function that finds the command and the option before the cursor, and a table of what comes then. Words are
// those between blanks: readline also parts them at ':' and '=', so the part of a word that it leaves in
// place is taken from the front of each answer.
#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "manual/completion.hpp"

namespace bpfport {

namespace {

constexpr const char* kBashFunctions =
    R"(# bash completion for bpfport. Written from the table of commands.
# shellcheck shell=bash

# Those that begin with the word before the cursor. Any user can make a cgroup with a name that a shell would run, so
# names of other characters are left out, and compgen -W, which expands its words, is not used.
_bpfport_words() {
    local word
    for word in "$@"; do
        [[ $word != "$cur"* || ! $word =~ ^[[:alnum:]_.:@/+-]+$ ]] || COMPREPLY+=("$word")
    done
}

# Network interfaces, and cgroups by their scopes.
_bpfport_scopes() {
    local root=/sys/fs/cgroup names=()
    case $cur in
    unit:*)
        mapfile -t names < <(find "$root" -maxdepth 6 \( -name '*.service' -o -name '*.slice' \) -type d 2>/dev/null)
        names=("${names[@]##*/}")
        _bpfport_words "${names[@]/#/unit:}"
        ;;
    cgroup:*)
        mapfile -t names < <(compgen -d -- "$root${cur#cgroup:}")
        names=("${names[@]#"$root"}")
        _bpfport_words "${names[@]/#/cgroup:}"
        compopt -o nospace 2>/dev/null
        ;;
    user:*)
        mapfile -t names < <(compgen -u)
        _bpfport_words "${names[@]/#/user:}"
        ;;
    *)
        mapfile -t names < <(compgen -G '/sys/class/net/*')
        _bpfport_words "${names[@]##*/}" any cgroup: unit: container: user: pid:
        [[ ${COMPREPLY[*]} != *: ]] || compopt -o nospace 2>/dev/null
        ;;
    esac
}

_bpfport_netns() {
    local names
    mapfile -t names < <(compgen -G '/run/netns/*')
    _bpfport_words "${names[@]##*/}"
}

_bpfport_users() { mapfile -t COMPREPLY < <(compgen -u -- "$cur"); }
_bpfport_files() {
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    compopt -o filenames 2>/dev/null
}
_bpfport_directories() {
    mapfile -t COMPREPLY < <(compgen -d -- "$cur")
    compopt -o filenames 2>/dev/null
}

)";

constexpr const char* kBashBegin = R"(_bpfport() {
    local line=${COMP_LINE:0:COMP_POINT} words command='' previous cur kept='' i
    read -ra words <<<"$line"
    [[ $line != *[[:blank:]] ]] || words+=('')
    cur=${words[-1]} previous=${words[-2]}
    COMPREPLY=()
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        case ${words[i]} in
        --)
            ((i < ${#words[@]} - 2)) || mapfile -t COMPREPLY < <(compgen -c -- "$cur" | sort -u)
            ((i == ${#words[@]} - 2)) || _bpfport_files
            return
            ;;
        )";

constexpr const char* kBashBetween = R"() ((i++)) ;;
        -*) ;;
        *) [[ $command ]] || command=${words[i]} ;;
        esac
    done
    # What readline does not replace: all up to the last character at which it parts words.
    for i in : =; do
        [[ $COMP_WORDBREAKS != *"$i"* || $cur != *"$i"* ]] || kept=${cur%"${cur##*["$i"]}"}
    done
    if [[ $cur == --*=* ]]; then
        previous=${cur%%=*} cur=${cur#*=}
        [[ $kept != --*= ]] || kept=''
        kept=${kept#"$previous="}
    fi
    case $command:$previous in
)";

constexpr const char* kBashEnd = R"(    esac
    [[ -z $kept ]] || COMPREPLY=("${COMPREPLY[@]#"$kept"}")
}
complete -F _bpfport bpfport
)";

constexpr ShellValues kBashValues{
    .files = "_bpfport_files",
    .directories = "_bpfport_directories",
    .users = "_bpfport_users",
    .netns = "_bpfport_netns",
    .scopes = "_bpfport_scopes",
    .words =
        [](const std::string& words) {
            return words.empty() ? ":" : fmt::format("_bpfport_words {}", words);
        },
};

// "attach:--owner | attach:--user", of options that have a value.
std::string bash_values(const CommandText& app, const std::string& command,
                        const std::vector<OptionText>& options) {
    std::string out;
    for (const auto& option : options) {
        if (option.is_word() || option.value.empty()) continue;
        out += fmt::format("    {0}:{1}) {2} ;;\n", command,
                           fmt::join(option.names, fmt::format(" | {}:", command)),
                           value_completion(kBashValues, app, option));
    }
    return out;
}

std::vector<std::string> option_names_of(const std::vector<OptionText>& options) {
    std::vector<std::string> names;
    for (const auto& option : options)
        names.insert(names.end(), option.names.begin(), option.names.end());
    return names;
}

void add_names_with_value(const std::vector<OptionText>& options, std::vector<std::string>& names) {
    for (const auto& option : options)
        if (!option.value.empty())
            names.insert(names.end(), option.names.begin(), option.names.end());
}

// What comes when the word before is no option with a value.
std::string otherwise(const CommandText& app, const CommandText& command,
                      const std::string& pattern) {
    auto names = option_names_of(command.options);
    if (&command != &app) {
        const auto global = option_names_of(app.options);
        for (const auto& name : global)
            if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
    std::string words = ":";
    for (const auto& option : command.options)
        if (option.is_word()) words = value_completion(kBashValues, app, option);
    std::vector<std::string> commands;
    for (const auto& each : command.commands) commands.push_back(each.name);
    if (!commands.empty()) words = fmt::format("_bpfport_words {}", fmt::join(commands, " "));
    return fmt::format("    {}:*)\n        if [[ $cur == -* ]]; then\n"
                       "            _bpfport_words {}\n        else\n            {}\n"
                       "        fi\n        ;;\n",
                       pattern, fmt::join(names, " "), words);
}

} // namespace

std::string bash_completion(const CommandText& app) {
    std::vector<std::string> with_value;
    add_names_with_value(app.options, with_value);
    for (const auto& command : app.commands) add_names_with_value(command.options, with_value);
    std::ranges::sort(with_value);
    const auto repeated = std::ranges::unique(with_value);
    with_value.erase(repeated.begin(), repeated.end());

    std::string out = kBashFunctions;
    out += kBashBegin + fmt::format("{}", fmt::join(with_value, " | ")) + kBashBetween;
    out += bash_values(app, "*", app.options);
    for (const auto& command : app.commands) out += bash_values(app, command.name, command.options);
    for (const auto& command : app.commands) out += otherwise(app, command, command.name);
    return out + otherwise(app, app, "") + kBashEnd;
}

} // namespace bpfport
