// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/cli.hpp"

#include <algorithm>
#include <iterator>
#include <ostream>

#include <fmt/ostream.h>

#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/printable_stream.hpp"
#include "kernel/bpf.hpp"
#include "kernel/netlink.hpp"

namespace bpfport {

namespace {

// "attach eth0 80:3000": the words after the program's name, for the error's first line.
std::string typed_words(int argc, const char* const* argv) {
    std::string text;
    for (int i = 1; i < argc; i++)
        text += fmt::format("{}{}", i > 1 ? " " : "", printable(argv[i]));
    return text;
}

int report(std::ostream& err, const std::string& typed, const Error& error) {
    fmt::print(err, "bpfport: {}: {}\n", typed, error.message);
    if (!error.hint.empty()) fmt::print(err, "hint: {}\n", error.hint);
    return static_cast<int>(error.fault);
}

Error unknown_command(const std::string& word, const std::vector<std::string>& known) {
    if (word.starts_with('-'))
        return usage_error(fmt::format("there is no option {}", word), "bpfport --help").error();
    std::string hint = suggest_name(word, known);
    if (hint.empty()) hint = "bpfport --help lists the commands";
    return usage_error(fmt::format("there is no command {}", word), std::move(hint)).error();
}

} // namespace

Result<ScopesAndRules> split_words(const std::vector<std::string>& words) {
    ScopesAndRules result;
    for (const auto& word : words) {
        if (looks_like_rule(word) && is_auto_rule(word)) {
            auto parsed = parse_auto_rules(word);
            if (!parsed) return std::unexpected(parsed.error());
            result.autos.insert(result.autos.end(), parsed->begin(), parsed->end());
            continue;
        }
        if (looks_like_rule(word)) {
            auto parsed = parse_rules(word);
            if (!parsed) return std::unexpected(parsed.error());
            result.rules.insert(result.rules.end(), parsed->begin(), parsed->end());
            continue;
        }
        auto scope = parse_scope(word);
        if (!scope) return std::unexpected(scope.error());
        result.scopes.push_back(*scope);
    }
    return result;
}

Result<bool> ScopesAndRules::on_cgroups() const {
    auto cgroups = std::ranges::count_if(scopes, &Scope::is_cgroup);
    if (cgroups != 0 && cgroups != std::ssize(scopes))
        return usage_error("interfaces and cgroups are named together",
                           "one command for the interfaces, one for the cgroups");
    if (cgroups == 0 && !autos.empty())
        return usage_error(fmt::format("{}: only a cgroup's rule can choose its target",
                                       autos.front().to_string()),
                           "name the target port that the program listens on");
    return cgroups != 0;
}

int report_fault(std::ostream& err, const char* what) {
    fmt::print(err,
               "bpfport: {}\nhint: this is a fault of bpfport itself; please report it with the "
               "command that was given\n",
               what);
    return static_cast<int>(Fault::kSystem);
}

int run_command_line(int argc, const char* const* argv, std::istream& in, std::ostream& raw_out,
                     std::ostream& raw_err) {
    silence_libbpf();
    HeldText held;
    PrintableStream out(raw_out, held), err(raw_err, held);
    Session session{in, out, err, {}, kDefaultRoot};
    std::string root = kDefaultRoot;
    CommandLine app(kDescription, "bpfport");
    const auto commands = add_commands(app, {session.netns, root});

    const auto* words_end = std::find(argv, argv + argc, std::string_view("--"));
    if (words_end != argv + argc) session.command.assign(words_end + 1, argv + argc);
    const auto unknown = [&](const std::string& word, const std::vector<std::string>& known) {
        return report(err, typed_words(argc, argv), unknown_command(word, known));
    };
    if (auto status = app.parse(static_cast<int>(words_end - argv), argv, out, err, unknown))
        return *status == 0 ? 0 : static_cast<int>(Fault::kUsage);
    session.root = root;
    const auto command =
        std::ranges::find_if(commands, [](const Command& c) { return c.line->parsed(); });
    Result<void> done;
    if (!session.command.empty() && !command->takes_command)
        done = usage_error("\"--\" goes with bpfport run, before the command");
    else
        done = command->run(session);
    return done ? 0 : report(err, typed_words(argc, argv), done.error());
}

} // namespace bpfport
