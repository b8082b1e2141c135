// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// CommandLine: the words and options that a command accepts, and its subcommands. CLI11 reads them;
// only command_line.cpp includes it, because its headers take longer to compile than a command.
#pragma once

#include <deque>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/command_text.hpp"

namespace CLI {
class App;
class Option;
} // namespace CLI

namespace bpfport {

class Option {
  public:
    Option(CLI::Option* option, OptionText text) : option_(option), text_(std::move(text)) {}

    Option* type_name(std::string name);
    Option* one_of(std::vector<std::string> words);
    Option* between(double least, double most);
    Option* between(unsigned least, unsigned most);
    Option* needs(Option* other);
    Option* capture_default_str();        // the help shows the value it has now
    Option* allow_extra_args(bool allow); // false: one value each time it is named
    // What a shell offers for it; nothing is checked.
    Option* suggest(Values values);
    Option* suggest(std::vector<std::string> words);

    [[nodiscard]] const OptionText& text() const { return text_; }

  private:
    CLI::Option* option_;
    OptionText text_;
};

class CommandLine {
  public:
    CommandLine(const std::string& description, const std::string& name);
    ~CommandLine();
    CommandLine(const CommandLine&) = delete;
    CommandLine& operator=(const CommandLine&) = delete;

    // What they return lives as long as this; so must the value.
    Option* add_flag(const std::string& name, bool& value, const std::string& help);
    // A flag that may have a value behind '=': --save, --save=FILE. Without one it is "true".
    Option* add_flag(const std::string& name, std::string& value, const std::string& help);
    // Strings, lists of them and the numbers that options have: command_line.cpp lists the types.
    template <typename Value>
    Option* add_option(const std::string& name, Value& value, const std::string& help);
    CommandLine* add_subcommand(const std::string& name, const std::string& description);
    void set_version_flag(const std::string& name, const std::string& version);
    void footer(const std::string& text);

    // Of the outermost only. The exit status when the words were wrong or only asked for help: that
    // is printed then. `unknown` is told the word that is no command, and gives the exit status.
    using Unknown =
        std::function<int(const std::string& word, const std::vector<std::string>& known)>;
    std::optional<int> parse(int argc, const char* const* argv, std::ostream& out,
                             std::ostream& err, const Unknown& unknown);
    [[nodiscard]] bool parsed() const; // whether this subcommand was named

    // What it accepts, and its subcommands.
    [[nodiscard]] CommandText text() const;
    // What --help prints of it, or of its subcommand; empty when there is none of that name.
    [[nodiscard]] std::string help(const std::string& subcommand = {}) const;

  private:
    explicit CommandLine(CLI::App* app);
    Option* keep(CLI::Option* option, OptionText text);

    std::unique_ptr<CLI::App> root_; // of the outermost
    CLI::App* app_;
    std::deque<Option> options_;
    std::vector<OptionText> given_; // by CLI11: help and version
    std::deque<std::unique_ptr<CommandLine>> commands_;
};

} // namespace bpfport
