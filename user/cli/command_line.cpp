// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/command_line.hpp"

#include <cstdint>
#include <type_traits>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace bpfport {

namespace {

// "--explain,--dry-run"; the name of words in their place has no dash.
OptionText text_of(const std::string& names, std::string value, const std::string& help) {
    OptionText text;
    text.help = help;
    text.value = std::move(value);
    if (!names.starts_with('-')) {
        text.value = "[" + names + "...]";
        return text;
    }
    for (auto& name : CLI::detail::split(names, ',')) text.names.push_back(std::move(name));
    return text;
}

OptionText text_of_given(const CLI::Option& option) {
    return text_of(option.get_name(/*positional=*/false, /*all_options=*/true), {},
                   option.get_description());
}

} // namespace

Option* Option::type_name(std::string name) {
    text_.value = name;
    option_->type_name(std::move(name));
    return this;
}

Option* Option::one_of(std::vector<std::string> words) {
    text_.choices = words;
    text_.value = fmt::format("{}", fmt::join(words, "|"));
    option_->check(CLI::IsMember(std::move(words)));
    return this;
}

Option* Option::between(double least, double most) {
    text_.range = fmt::format("{} to {}", least, most);
    option_->check(CLI::Range(least, most));
    return this;
}

Option* Option::between(unsigned least, unsigned most) {
    text_.range = fmt::format("{} to {}", least, most);
    option_->check(CLI::Range(least, most));
    return this;
}

Option* Option::needs(Option* other) {
    option_->needs(other->option_);
    return this;
}

Option* Option::capture_default_str() {
    option_->capture_default_str();
    text_.fallback = option_->get_default_str();
    return this;
}

Option* Option::allow_extra_args(bool allow) {
    option_->allow_extra_args(allow);
    return this;
}

Option* Option::suggest(Values values) {
    text_.values = values;
    return this;
}

Option* Option::suggest(std::vector<std::string> words) {
    text_.choices = std::move(words);
    return this;
}

CommandLine::CommandLine(const std::string& description, const std::string& name)
    : root_(std::make_unique<CLI::App>(description, name)), app_(root_.get()) {
    app_->require_subcommand(1);
    app_->fallthrough();
    given_.push_back(text_of_given(*app_->get_help_ptr()));
}

CommandLine::CommandLine(CLI::App* app) : app_(app) {
    given_.push_back(text_of_given(*app_->get_help_ptr()));
}

CommandLine::~CommandLine() = default;

Option* CommandLine::keep(CLI::Option* option, OptionText text) {
    return &options_.emplace_back(option, std::move(text));
}

Option* CommandLine::add_flag(const std::string& name, bool& value, const std::string& help) {
    return keep(app_->add_flag(name, value, help), text_of(name, {}, help));
}

Option* CommandLine::add_flag(const std::string& name, std::string& value,
                              const std::string& help) {
    return keep(app_->add_flag(name, value, help), text_of(name, {}, help));
}

template <typename Value>
Option* CommandLine::add_option(const std::string& name, Value& value, const std::string& help) {
    constexpr const char* kValue = std::is_integral_v<Value>         ? "N"
                                   : std::is_floating_point_v<Value> ? "NUMBER"
                                                                     : "TEXT";
    return keep(app_->add_option(name, value, help), text_of(name, kValue, help));
}

template Option* CommandLine::add_option(const std::string&, std::string&, const std::string&);
template Option* CommandLine::add_option(const std::string&, std::vector<std::string>&,
                                         const std::string&);
template Option* CommandLine::add_option(const std::string&, std::uint16_t&, const std::string&);
template Option* CommandLine::add_option(const std::string&, std::uint32_t&, const std::string&);
template Option* CommandLine::add_option(const std::string&, std::uint64_t&, const std::string&);
template Option* CommandLine::add_option(const std::string&, double&, const std::string&);

CommandLine* CommandLine::add_subcommand(const std::string& name, const std::string& description) {
    auto* app = app_->add_subcommand(name, description);
    return commands_.emplace_back(new CommandLine(app)).get();
}

void CommandLine::set_version_flag(const std::string& name, const std::string& version) {
    given_.push_back(text_of_given(*app_->set_version_flag(name, version)));
}

void CommandLine::footer(const std::string& text) { app_->footer(text); }

std::optional<int> CommandLine::parse(int argc, const char* const* argv, std::ostream& out,
                                      std::ostream& err, const Unknown& unknown) {
    try {
        app_->parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (const auto rest = app_->remaining(); app_->get_subcommands().empty() && !rest.empty()) {
            std::vector<std::string> known;
            for (const CLI::App* command : app_->get_subcommands({}))
                known.push_back(command->get_name());
            return unknown(rest.front(), known);
        }
        return app_->exit(error, out, err);
    }
    return std::nullopt;
}

bool CommandLine::parsed() const { return app_->parsed(); }

CommandText CommandLine::text() const {
    CommandText text{app_->get_name(), app_->get_description(), app_->get_footer(), given_, {}};
    for (const Option& option : options_) text.options.push_back(option.text());
    for (const auto& command : commands_) text.commands.push_back(command->text());
    return text;
}

std::string CommandLine::help(const std::string& subcommand) const {
    // App::help() prints that of the subcommand that was named.
    if (subcommand.empty())
        return app_->get_formatter()->make_help(app_, app_->get_name(), CLI::AppFormatMode::Normal);
    for (const CLI::App* command : app_->get_subcommands({}))
        if (command->get_name() == subcommand) return command->help(app_->get_name());
    return {};
}

} // namespace bpfport
