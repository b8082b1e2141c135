// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/command_line.hpp"

#include <cstdint>

#include <CLI/CLI.hpp>

namespace bpfport {

Option* Option::type_name(std::string name) {
    option_->type_name(std::move(name));
    return this;
}

Option* Option::one_of(std::vector<std::string> words) {
    option_->check(CLI::IsMember(std::move(words)));
    return this;
}

Option* Option::between(double least, double most) {
    option_->check(CLI::Range(least, most));
    return this;
}

Option* Option::between(unsigned least, unsigned most) {
    option_->check(CLI::Range(least, most));
    return this;
}

Option* Option::needs(Option* other) {
    option_->needs(other->option_);
    return this;
}

Option* Option::capture_default_str() {
    option_->capture_default_str();
    return this;
}

Option* Option::allow_extra_args(bool allow) {
    option_->allow_extra_args(allow);
    return this;
}

CommandLine::CommandLine(const std::string& description, const std::string& name)
    : root_(std::make_unique<CLI::App>(description, name)), app_(root_.get()) {
    app_->require_subcommand(1);
    app_->fallthrough();
}

CommandLine::CommandLine(CLI::App* app) : app_(app) {}

CommandLine::~CommandLine() = default;

Option* CommandLine::keep(CLI::Option* option) { return &options_.emplace_back(option); }

Option* CommandLine::add_flag(const std::string& name, bool& value, const std::string& help) {
    return keep(app_->add_flag(name, value, help));
}

template <typename Value>
Option* CommandLine::add_option(const std::string& name, Value& value, const std::string& help) {
    return keep(app_->add_option(name, value, help));
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
    app_->set_version_flag(name, version);
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

} // namespace bpfport
