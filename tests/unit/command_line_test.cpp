// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The command line as a user types it, in this process: how words are told apart, exit statuses,
// and that a mistake is answered in the two lines of every error. Nothing here reaches the kernel.
#include "cli/cli.hpp"

#include <algorithm>
#include <sstream>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rule/rule.hpp"
#include "rule/scope.hpp"

namespace bpfport {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct Outcome {
    int status;
    std::string out;
    std::string err;
};

Outcome run(std::vector<const char*> words, const std::string& input = {}) {
    words.insert(words.begin(), "bpfport");
    std::istringstream in(input);
    std::ostringstream out, err;
    const int status = run_command_line(static_cast<int>(words.size()), words.data(), in, out, err);
    return {status, out.str(), err.str()};
}

TEST(CommandLine, Help) {
    const Outcome help = run({"--help"});
    EXPECT_EQ(help.status, 0);
    for (const char* command : {"attach", "detach", "status"}) {
        EXPECT_THAT(help.out, HasSubstr(command));
        EXPECT_EQ(run({command, "--help"}).status, 0) << command;
    }
    EXPECT_THAT(run({"attach", "--help"}).out, HasSubstr("80:3000"));
}

TEST(CommandLine, Version) {
    const Outcome version = run({"--version"});
    EXPECT_EQ(version.status, 0);
    EXPECT_THAT(version.out, testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST(CommandLine, StandardInputIsTheSessions) {
    EXPECT_EQ(run({"oci-hook"}, R"({"id": "one", "pid": 1, "annotations": {}})").status, 0);
    const Outcome wrong = run({"oci-hook"}, "nonsense");
    EXPECT_EQ(wrong.status, 2);
    EXPECT_THAT(wrong.err, HasSubstr("state"));
    EXPECT_THAT(run({"oci-hook"}, std::string((1U << 20U) + 1, ' ')).err, HasSubstr("1 MB"));
}

struct Mistake {
    std::vector<const char*> words;
    const char* answer; // part of it
};

TEST(CommandLine, MistakesAreUsageErrors) {
    const Mistake mistakes[] = {
        {{}, "subcommand"},
        {{"atach", "eth0", "80:3000"}, "there is no command atach\nhint: did you mean attach?"},
        {{"frobnicate"}, "bpfport --help lists the commands"},
        {{"--nosuch"}, "there is no option --nosuch"},
        {{"attach"}, "no scope is given"},
        {{"attach", "eth0"}, "no rule is given"},
        {{"attach", "80:3000"}, "no scope is given"},
        {{"attach", "eth0", "80"}, "80"},
        {{"attach", "eth0", "80:80"}, "80:80"},
        {{"attach", "eth0", "0:3000"}, "0:3000"},
        {{"attach", "eth0", "80:65536"}, "80:65536"},
        {{"attach", "eth0", "80-90:3000-3001"}, "80-90:3000-3001"},
        {{"attach", "eth0", "80:3000/sctp"}, "sctp"},
        {{"attach", "eth0", "80:3000", "--on-absent", "explode"}, "explode"},
        {{"attach", "eth0", "80:3000", "--no-such-option"}, "no-such-option"},
    };
    for (const Mistake& mistake : mistakes) {
        const Outcome result = run(mistake.words);
        EXPECT_EQ(result.status, 2) << mistake.answer;
        EXPECT_EQ(result.out, "") << mistake.answer;
        EXPECT_THAT(result.err, HasSubstr(mistake.answer));
    }
}

TEST(CommandLine, AnErrorRepeatsWhatWasTyped) {
    const Outcome result = run({"attach", "eth0", "80:3000/sctp"});
    EXPECT_THAT(result.err, StartsWith("bpfport: attach eth0 80:3000/sctp: "));
    EXPECT_THAT(result.err, HasSubstr("\nhint: "));
    EXPECT_EQ(std::ranges::count(result.err, '\n'), 2) << result.err;
}

} // namespace
} // namespace bpfport
