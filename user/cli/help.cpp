// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport help [COMMAND|TOPIC]
#include <algorithm>
#include <ostream>

#include <fmt/ostream.h>
#include <fmt/ranges.h>

#include "cli/command.hpp"
#include "cli/topics.hpp"
#include "kernel/netlink.hpp"

namespace bpfport {

namespace {

std::vector<std::string> topic_names() {
    std::vector<std::string> names;
    for (const auto& topic : topics()) names.push_back(topic.name);
    return names;
}

Result<void> help(const Session& session, const CommandLine& app,
                  const std::vector<std::string>& words) {
    if (words.empty()) {
        session.out << app.help();
        return {};
    }
    // "exit status" is the topic exit-status.
    const std::string name = fmt::format("{}", fmt::join(words, "-"));
    if (const auto text = app.help(name); !text.empty()) {
        session.out << text;
        return {};
    }
    const auto all = topics();
    if (auto found = std::ranges::find(all, name, &Topic::name); found != all.end()) {
        session.out << found->text;
        return {};
    }
    auto known = topic_names();
    for (const auto& command : app.text().commands) known.push_back(command.name);
    std::string hint = suggest_name(name, known);
    if (hint.empty()) hint = "bpfport help lists commands and topics";
    return usage_error(fmt::format("there is no command or topic {}", name), std::move(hint));
}

} // namespace

std::string help_footer() {
    std::string text = "Topics that `bpfport help TOPIC` explains:";
    for (const auto& topic : topics())
        text += fmt::format("\n  {:<12} {}", topic.name, topic.summary);
    return text;
}

Command add_help(CommandLine& app) {
    auto words = std::make_shared<std::vector<std::string>>();
    auto* command = app.add_subcommand("help", "Explain a command or a topic");
    command->footer(help_footer());
    command->add_option("TOPIC", *words, "A command, or one of the topics below")
        ->type_name("[COMMAND|TOPIC]")
        ->suggest(topic_names())
        ->suggest(Values::kCommands);
    return {command, [&app, words](const Session& session) { return help(session, app, *words); }};
}

} // namespace bpfport
