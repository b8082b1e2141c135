// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "manual/man_page.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "manual/roff.hpp"

namespace bpfport {

namespace {

std::string upper(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::toupper(c); });
    return text;
}

std::string page(const std::string& name, int section, const std::string& what,
                 const Edition& edition) {
    return fmt::format(".\\\" Written from the table of commands.\n"
                       ".TH {} {} \"{}\" \"bpfport {}\" \"bpfport\"\n"
                       ".SH NAME\n{} \\- {}\n",
                       roff(upper(name)), section, edition.date, edition.version, roff(name),
                       roff(what));
}

std::string bold(const std::string& text) { return "\\fB" + roff(text) + "\\fR"; }
std::string italic(const std::string& text) { return "\\fI" + roff(text) + "\\fR"; }

// "reset|drop|pass": words to type; else a name for a value.
std::string value_of(const OptionText& option) {
    if (option.choices.empty() || option.value.find('|') == std::string::npos)
        return italic(option.value);
    return roff(option.value);
}

std::string options_list(const std::vector<OptionText>& options) {
    std::string out;
    for (const auto& option : options) {
        std::vector<std::string> names;
        for (const auto& name : option.names) names.push_back(bold(name));
        out += fmt::format(".TP\n{}", fmt::join(names, ", "));
        if (option.is_word())
            out += value_of(option);
        else if (!option.value.empty())
            out += " " + value_of(option);
        out += "\n" + roff(option.help);
        std::vector<std::string> more;
        if (!option.range.empty()) more.push_back(roff(option.range));
        if (!option.fallback.empty()) more.push_back("default: " + roff(option.fallback));
        if (!more.empty()) out += fmt::format(" ({})", fmt::join(more, "; "));
        out += "\n";
    }
    return out;
}

std::string words_of(const CommandText& command) {
    std::string out;
    for (const auto& option : command.options)
        if (option.is_word()) out += " " + italic(option.value);
    return out;
}

std::string topic_section(const std::string& name) {
    for (const auto& topic : topics())
        if (topic.name == name) return roff_prose(topic.text);
    return {};
}

std::string last_sections(const std::vector<std::string>& others) {
    std::string out = ".SH EXIT STATUS\n" + topic_section("exit-status") + ".SH FILES\n" +
                      topic_section("files") + ".SH SEE ALSO\n";
    for (std::size_t i = 0; i < others.size(); i++)
        out += fmt::format(".BR {}{}\n", others[i], i + 1 < others.size() ? "," : "");
    return out;
}

std::string reference(const std::string& name, int section) {
    return fmt::format("{} ({})", roff(name), section);
}

std::string page_name(const CommandText& app, const CommandText& command) {
    return app.name + "-" + command.name;
}

} // namespace

std::string man_page(const CommandText& app, const Edition& edition) {
    std::string out = page(app.name, 8, app.description, edition);
    out += fmt::format(".SH SYNOPSIS\n{} [{}] {} ...\n", bold(app.name), italic("OPTION..."),
                       italic("COMMAND"));
    out += ".SH DESCRIPTION\n" + topic_section("rules") +
           ".PP\nThe page of each command has its "
           "options.\n.SH COMMANDS\n";
    std::vector<std::string> others = {reference(app.name, 7)};
    for (const auto& command : app.commands) {
        out += fmt::format(".TP\n{}\n{}\n", bold(command.name), roff(command.description));
        others.push_back(reference(page_name(app, command), 8));
    }
    out += ".SH OPTIONS\n" + options_list(app.options);
    return out + last_sections(others);
}

std::string man_page(const CommandText& app, const CommandText& command, const Edition& edition) {
    const std::string name = page_name(app, command);
    std::string description = command.footer;
    const std::string examples = take_examples(description);
    std::string out = page(name, 8, command.description, edition);
    out += fmt::format(".SH SYNOPSIS\n{} {} [{}]{}\n", bold(app.name), bold(command.name),
                       italic("OPTION..."), words_of(command));
    if (!description.empty()) out += ".SH DESCRIPTION\n" + roff_prose(description);
    // --help is among the command's own.
    auto global = app.options;
    std::erase_if(global, [](const auto& option) { return option.names.front() == "-h"; });
    out += ".SH OPTIONS\n" + options_list(command.options) + ".SS Of every command\n" +
           options_list(global);
    if (!examples.empty()) out += ".SH EXAMPLES\n" + roff_prose(examples);
    return out + last_sections({reference(app.name, 7), reference(app.name, 8)});
}

std::string man_page(const CommandText& app, const std::vector<Topic>& topics,
                     const Edition& edition) {
    std::string out = page(app.name, 7, "rules, scopes, engines and policies", edition);
    out +=
        ".SH DESCRIPTION\nWhat holds for several commands; bpfport help TOPIC prints the same.\n";
    for (const auto& topic : topics) {
        std::string title = upper(topic.name);
        std::ranges::replace(title, '-', ' ');
        out += fmt::format(".SH {}\n{}", title, roff_prose(topic.text));
    }
    return out + fmt::format(".SH SEE ALSO\n.BR {}\n", reference(app.name, 8));
}

} // namespace bpfport
