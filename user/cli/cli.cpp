// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/cli.hpp"

#include <algorithm>
#include <ostream>

#include <fmt/ostream.h>

#include "cli/command.hpp"
#include "kernel/bpf.hpp"
#include "kernel/netlink.hpp"

namespace bpfport {

namespace {

// "attach eth0 80:3000": the words after the program's name, for the error's first line.
std::string typed_words(int argc, const char* const* argv) {
    std::string text;
    for (int i = 1; i < argc; i++)
        text += fmt::format("{}{}", i > 1 ? " " : "", argv[i]);
    return text;
}

int report(std::ostream& err, const std::string& typed, const Error& error) {
    fmt::print(err, "bpfport: {}: {}\n", typed, error.message);
    if (!error.hint.empty()) fmt::print(err, "hint: {}\n", error.hint);
    return static_cast<int>(error.fault);
}

Error unknown_command(const CLI::App& app, const std::string& word) {
    if (word.starts_with('-'))
        return usage_error(fmt::format("there is no option {}", word), "bpfport --help").error();
    std::vector<std::string> known;
    for (const CLI::App* command : app.get_subcommands({}))
        known.push_back(command->get_name());
    std::string hint = suggest_name(word, known);
    if (hint.empty()) hint = "bpfport --help lists the commands";
    return usage_error(fmt::format("there is no command {}", word), std::move(hint)).error();
}

} // namespace

Result<ScopesAndRules> split_words(const std::vector<std::string>& words) {
    ScopesAndRules result;
    for (const auto& word : words) {
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

int run_command_line(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
    silence_libbpf();
    CLI::App app("Lets a program be reached on a privileged port without root, proxy or conntrack",
                 "bpfport");
    app.set_version_flag("--version", BPFPORT_VERSION);
    app.require_subcommand(1);
    app.fallthrough();
    Session session{out, err, {}, kDefaultRoot};
    std::string root = kDefaultRoot;
    app.add_option("--netns", session.netns, "Network namespace: a name, a path or a process id")
        ->type_name("NAME|PATH|PID");
    app.add_option("--state", root, "Where state is kept, a directory in a bpffs")
        ->type_name("DIR");
    const Command commands[] = {
        add_attach(app),  add_detach(app),   add_status(app), add_stats(app), add_top(app),
        add_metrics(app), add_exporter(app), add_ss(app),     add_trace(app), add_doctor(app)};

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (const auto rest = app.remaining(); app.get_subcommands().empty() && !rest.empty())
            return report(err, typed_words(argc, argv), unknown_command(app, rest.front()));
        return app.exit(error, out, err) == 0 ? 0 : static_cast<int>(Fault::kUsage);
    }
    session.root = root;
    const auto* command =
        std::ranges::find_if(commands, [](const Command& c) { return c.app->parsed(); });
    auto done = command->run(session);
    return done ? 0 : report(err, typed_words(argc, argv), done.error());
}

} // namespace bpfport
