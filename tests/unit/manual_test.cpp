// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Man pages, completions and `bpfport help`: they have what --help prints, the tools that read
// them find no mistake, and the shells offer what they should.
#include <unistd.h>

#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cli.hpp"
#include "harness/environment.hpp"
#include "manual/manual.hpp"
#include "manual/roff.hpp"
#include "rule/auto_target.hpp"
#include "rule/rule.hpp"

namespace bpfport::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

std::string bpfport(std::vector<const char*> words) {
    words.insert(words.begin(), "bpfport");
    std::istringstream in;
    std::ostringstream out, err;
    EXPECT_EQ(run_command_line(static_cast<int>(words.size()), words.data(), in, out, err), 0)
        << err.str();
    return out.str();
}

// -h, --help ... of lines such as "  -h,--help    Print this", as CLI11 prints them.
std::set<std::string> options_in(const std::string& help) {
    static const std::regex kName("(^|\n|,)  ?(-[a-z]|--[a-z-]+)|,(--[a-z-]+)");
    std::set<std::string> names;
    for (std::sregex_iterator found(help.begin(), help.end(), kName), end; found != end; ++found)
        names.insert((*found)[2].matched ? (*found)[2] : (*found)[3]);
    return names;
}

std::vector<std::string> commands() {
    std::vector<std::string> names;
    for (const auto& command : command_text().commands) names.push_back(command.name);
    return names;
}

class Manual : public testing::Test {
  protected:
    Manual() : root_(fmt::format("/tmp/bpfport-manual-{}", ::getpid())) {
        EXPECT_TRUE(write_manual(root_, {"1.2.3", "2026-01-31"}));
    }
    ~Manual() override {
        std::error_code ignored;
        fs::remove_all(root_, ignored);
    }
    // What bash offers behind a line that is being typed.
    [[nodiscard]] std::set<std::string> offers(const std::string& line) const {
        const auto ran = run({"bash", "-c",
                              ". \"$0\"; COMP_LINE=$1 COMP_POINT=${#1}; _bpfport; printf '%s\\n' "
                              "\"${COMPREPLY[@]}\"",
                              (root_ / "bash/bpfport").string(), line});
        EXPECT_EQ(ran.err, "");
        std::set<std::string> words;
        std::istringstream in(ran.out);
        for (std::string word; std::getline(in, word);)
            if (!word.empty()) words.insert(word);
        return words;
    }
    fs::path root_;
    std::map<fs::path, std::string> files_ = manual_files({"1.2.3", "2026-01-31"});
};

TEST_F(Manual, HasEveryOptionOfEveryCommand) {
    REQUIRE_PROGRAM("bash");
    ASSERT_GT(commands().size(), 15U);
    EXPECT_EQ(offers("bpfport "), [] {
        const auto names = commands();
        return std::set<std::string>(names.begin(), names.end());
    }());
    for (const auto& command : commands()) {
        SCOPED_TRACE(command);
        const auto options = options_in(bpfport({command.c_str(), "--help"}));
        ASSERT_GE(options.size(), 2U);
        const auto offered = offers(fmt::format("bpfport {} -", command));
        const auto& page = files_.at(fmt::format("man/man8/bpfport-{}.8", command));
        for (const auto& option : options) {
            EXPECT_TRUE(page.contains("\\fB" + roff(option) + "\\fR")) << option;
            EXPECT_TRUE(offered.contains(option)) << option;
            EXPECT_TRUE(files_.at("zsh/_bpfport").contains("'" + option + "[")) << option;
            EXPECT_TRUE(files_.at("fish/bpfport.fish")
                            .contains(option.starts_with("--") ? " -l " + option.substr(2)
                                                               : " -s " + option.substr(1)))
                << option;
        }
        EXPECT_THAT(files_.at("man/man8/bpfport.8"),
                    HasSubstr("bpfport\\-" + roff(command) + " (8)"));
    }
    for (const auto& option : options_in(bpfport({"--help"}))) {
        EXPECT_THAT(files_.at("man/man8/bpfport.8"), HasSubstr("\\fB" + roff(option) + "\\fR"));
        EXPECT_TRUE(offers("bpfport -").contains(option)) << option;
    }
}

TEST_F(Manual, PagesHaveNoMistake) {
    REQUIRE_PROGRAM("mandoc");
    for (const auto& [name, _] : files_) {
        if (!name.string().starts_with("man/")) continue;
        const auto lint = run({"mandoc", "-T", "lint", "-W", "warning", (root_ / name).string()});
        EXPECT_EQ(lint.status, 0) << lint.out << lint.err;
    }
    const auto page =
        run({"mandoc", "-T", "ascii", (root_ / "man/man8/bpfport-attach.8").string()});
    EXPECT_EQ(page.status, 0);
    for (const char* part : {"NAME", "SYNOPSIS", "EXAMPLES", "EXIT STATUS", "FILES", "SEE ALSO"})
        EXPECT_THAT(std::regex_replace(page.out, std::regex(".\b"), ""), HasSubstr(part));
}

TEST_F(Manual, GroffWarnsOfNothing) {
    REQUIRE_PROGRAM("groff");
    for (const auto& [name, _] : files_) {
        if (!name.string().starts_with("man/")) continue;
        const auto said = run({"groff", "-man", "-ww", "-z", (root_ / name).string()});
        EXPECT_EQ(said.status, 0) << name;
        EXPECT_EQ(said.err, "") << name;
    }
}

TEST_F(Manual, BashOffersValues) {
    REQUIRE_PROGRAM("bash");
    using Words = std::set<std::string>;
    EXPECT_EQ(offers("bpfport att"), Words{"attach"});
    EXPECT_EQ(offers("bpfport attach eth0 --on-absent "), (Words{"drop", "next", "pass", "reset"}));
    EXPECT_EQ(offers("bpfport attach eth0 --on-absent=r"), Words{"reset"});
    EXPECT_EQ(offers("bpfport --netns blue attach eth0 80:3000 --eng"), Words{"--engine"});
    EXPECT_EQ(offers("bpfport attach lo 80:3000 --engine s"), Words{"sklookup"});
    EXPECT_EQ(offers("bpfport attach l"), Words{"lo"});
    EXPECT_EQ(offers("bpfport status user:roo"), Words{"root"}) << "readline keeps user:";
    EXPECT_EQ(offers("bpfport run --user roo"), Words{"root"});
    EXPECT_EQ(offers("bpfport trace --outcome not_l"), Words{"not_local"});
    EXPECT_EQ(offers("bpfport help exi"), Words{"exit-status"});
    EXPECT_EQ(offers("bpfport check /etc/host"), offers("bpfport metrics --output /etc/host"));
    EXPECT_TRUE(offers("bpfport check /etc/host").contains("/etc/hosts"));
    EXPECT_TRUE(offers("bpfport run --grant 80 -- prin").contains("printf"));
    EXPECT_EQ(offers("bpfport top eth"), Words{});
}

TEST_F(Manual, BashRunsNoName) {
    REQUIRE_PROGRAM("bash");
    const auto ran = run({"bash", "-c",
                          ". \"$0\"; cur=; _bpfport_words 'a' '$(echo run)' 'b c' '`echo run`' "
                          "'d.service'; echo \"${COMPREPLY[@]}\"",
                          (root_ / "bash/bpfport").string()});
    EXPECT_EQ(ran.out, "a d.service\n") << ran.err;
}

TEST_F(Manual, BashIsWellWritten) {
    REQUIRE_PROGRAM("shellcheck");
    const auto said = run({"shellcheck", (root_ / "bash/bpfport").string()});
    EXPECT_EQ(said.status, 0) << said.out;
}

TEST_F(Manual, ZshReadsItsOwn) {
    REQUIRE_PROGRAM("zsh");
    const auto ran = run({"zsh", "-fc",
                          "autoload -Uz compinit && compinit -D -u && . \"$0\" && "
                          "print $_comps[bpfport] && zsh -n \"$0\"",
                          (root_ / "zsh/_bpfport").string()});
    EXPECT_EQ(ran.out, "_bpfport\n");
    EXPECT_EQ(ran.err, "");
    EXPECT_EQ(ran.status, 0);
}

TEST_F(Manual, FishOffersValues) {
    REQUIRE_PROGRAM("fish");
    const auto offered = [&](const std::string& line) {
        const auto ran =
            run({"fish", "--no-config", "-c",
                 "source $argv[1]; complete -C $argv[2] | string replace -r '\\t.*' ''",
                 (root_ / "fish/bpfport.fish").string(), line},
                {.directory = "/usr"});
        EXPECT_EQ(ran.err, "");
        return ran.out;
    };
    EXPECT_EQ(offered("bpfport att"), "attach\n");
    EXPECT_EQ(offered("bpfport attach --on-absent "), "drop\nnext\npass\nreset\n");
    EXPECT_EQ(offered("bpfport attach l"), "lo\n");
    EXPECT_EQ(offered("bpfport attach --engine=s"), "--engine=sklookup\n");
    EXPECT_EQ(offered("bpfport help exi"), "exit-status\n");
}

TEST(Help, OfACommandIsItsHelp) {
    EXPECT_EQ(bpfport({"help"}), bpfport({"--help"}));
    for (const auto& command : commands())
        EXPECT_EQ(bpfport({"help", command.c_str()}), bpfport({command.c_str(), "--help"}));
}

TEST(Help, OfTopics) {
    ASSERT_GE(topics().size(), 5U);
    for (const auto& topic : topics()) {
        SCOPED_TRACE(topic.name);
        EXPECT_EQ(bpfport({"help", topic.name.c_str()}), topic.text);
        EXPECT_THAT(bpfport({"--help"}), HasSubstr(topic.name));
        std::istringstream in(topic.text);
        for (std::string line; std::getline(in, line);) EXPECT_LE(line.size(), 80U) << line;
    }
    EXPECT_EQ(bpfport({"help", "exit", "status"}), bpfport({"help", "exit-status"}));
}

TEST(Help, RulesAreOnes) {
    std::istringstream in(bpfport({"help", "rules"}));
    unsigned rules = 0;
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        std::string word;
        words >> word;
        if (!line.starts_with("  ") || word == kRuleForm) continue;
        rules++;
        EXPECT_TRUE(is_auto_rule(word) ? parse_auto_rules(word).has_value()
                                       : parse_rules(word).has_value())
            << word;
    }
    EXPECT_GE(rules, 8U);
}

TEST(Help, OfNothingThatThereIs) {
    const char* words[] = {"bpfport", "help", "atach"};
    std::istringstream in;
    std::ostringstream out, err;
    EXPECT_EQ(run_command_line(3, words, in, out, err), 2);
    EXPECT_THAT(err.str(),
                HasSubstr("there is no command or topic atach\nhint: did you mean attach?"));
}

TEST(Roff, TextIsNoMacro) {
    EXPECT_EQ(roff(".TH 'a' \\n"), "\\&.TH \\(aqa\\(aq \\en");
    EXPECT_THAT(roff_prose(".SH x\n\nb\n  list  what\n        more\n"),
                Not(testing::ContainsRegex("(^|\n).SH")));
}

} // namespace
} // namespace bpfport::test
