// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Policy files: what is read, and that every mistake is reported at once with its place, by `check`.
#include "config/policy_files.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cli.hpp"

namespace bpfport {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class PolicyFile : public testing::Test {
  protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "policyXXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        directory = name;
    }
    void TearDown() override {
        std::error_code error;
        std::filesystem::remove_all(directory, error);
    }

    std::string write(const std::string& name, const std::string& text) const {
        const auto path = directory / name;
        std::error_code error;
        std::filesystem::create_directories(path.parent_path(), error);
        std::ofstream(path) << text;
        return path;
    }
    struct Checked {
        int status;
        std::string out, err;
    };
    // `bpfport check`; what it prints, without the directory's name.
    [[nodiscard]] Checked check(std::vector<std::string> names) const {
        std::vector<const char*> words{"bpfport", "check"};
        for (const auto& name : names) words.push_back(name.c_str());
        std::istringstream in;
        std::ostringstream out, err;
        Checked done{};
        done.status = run_command_line(static_cast<int>(words.size()), words.data(), in, out, err);
        done.out = out.str();
        done.err = err.str();
        const std::string prefix = directory.string() + "/";
        for (std::size_t at = 0; (at = done.err.find(prefix)) != std::string::npos;)
            done.err.erase(at, prefix.size());
        return done;
    }
    // The policy that a text is read as.
    [[nodiscard]] HostPolicy read(const std::string& text) const {
        auto loaded = load_policy({write("one.toml", text)}, Trust::kAny);
        if (loaded) return loaded->policy;
        for (const auto& error : loaded.error().errors) ADD_FAILURE() << error.to_string();
        ADD_FAILURE() << loaded.error().error.message;
        return {};
    }

    std::filesystem::path directory;
};

TEST_F(PolicyFile, EntriesTakeTheDefaultsOfTheirFile) {
    const auto policy = read(R"(
[[interface]]
name = ["eth0", "wlan*"]
rules = ["80:3000", "53:5300/tcp+udp"]
engine = "tc"
netns = "blue"

[[interface]]
name = "any"
rules = "8000-8010:=3000"
required = true

[[cgroup]]
unit = "web"
rules = ["80:3000", "443:auto"]
grants = [80, "53/tcp+udp"]
owner = "www-data"

[defaults]
engine = "xdp"
no_local = true

[host]
hook = "clsact"
flows = 4096
)");
    ASSERT_THAT(policy.entries, SizeIs(3));
    const auto& first = policy.entries[0];
    ASSERT_THAT(first.scopes, SizeIs(2));
    EXPECT_EQ(first.scopes[1].value.to_string(), "wlan*");
    EXPECT_THAT(first.rules, SizeIs(3)); // tcp+udp is two
    EXPECT_EQ(first.rules[2].value.to_string(), "53:5300/udp");
    EXPECT_EQ(first.rules[2].place.to_string(), (directory / "one.toml").string() + ":4:21");
    EXPECT_EQ(first.options.engine, "tc");
    EXPECT_EQ(first.options.netns, "blue");
    EXPECT_TRUE(first.options.no_local);
    EXPECT_EQ(policy.entries[1].options.engine, "xdp");
    EXPECT_TRUE(policy.entries[1].options.required);
    const auto& web = policy.entries[2];
    EXPECT_EQ(web.scopes.at(0).value.to_string(), "unit:web.service");
    EXPECT_THAT(web.autos, SizeIs(1));
    EXPECT_THAT(web.grants, SizeIs(3));
    EXPECT_EQ(web.options.owner, "www-data");
    EXPECT_EQ(policy.host.hook, "clsact");
    EXPECT_EQ(policy.host.flows, 4096U);
    EXPECT_EQ(policy.host.hints, 0U);
}

TEST_F(PolicyFile, EveryMistakeIsReportedAtOnce) {
    const auto one = write("one.toml", R"([defaults]
engin = "tc"
on_absent = "close"

[host]
flows = 12

[[interface]]
rules = ["80:3000", "80", 81]

[[interface]]
name = ["eth0", "cgroup:/x"]
rules = ["80:3000", "80:4000"]
no-local = true
grants = [80]

[[cgroup]]
unit = "web"
path = "/web"
grants = ["x"]

[[interfaces]]
name = "eth0"
)");
    const auto two = write("two.toml", "[[interface]\n");
    const auto three = write("three.toml", R"([host]
flows = 2048

[[interface]]
name = "eth0"
rules = ["80:5000"]
netns = "12"
owner = "eth0:"

[[interface]]
name = "eth1"
rules = ["443:8443"]
engine = "sklookup"
forwarded = true
)");
    const auto done = check({one, two, three});
    EXPECT_EQ(done.status, 2);
    EXPECT_THAT(done.out, IsEmpty());
    EXPECT_EQ(done.err.substr(0, done.err.find("bpfport: check")),
              R"(one.toml:2:1: there is no key "engin" in defaults
    did you mean engine?
one.toml:3:13: on_absent is "close"
    write "reset", "drop", "pass", "next": what clients get while no program listens
one.toml:6:9: flows is 12
    write a number from 1024 to 16777216
one.toml:8:1: this interface has no name
    write name = "eth0"
one.toml:9:21: rule "80": no target port
    write [ADDR[/LENGTH]:]PORT[-PORT]:[=]TARGET[-TARGET][*WEIGHT,...][/PROTO][@CLIENTS], such as 80:3000
one.toml:9:27: rules is 81
    write a list of rules, such as ["80:3000", "443:8443"]
one.toml:12:17: cgroup:/x is a cgroup
    write it as a [[cgroup]]
one.toml:13:21: 80:4000 on eth0 (one.toml:13:21) conflicts with 80:3000 on eth0 (one.toml:13:10): listen port 80/tcp already goes to 3000
    keep one of the two, or give both a weight, such as 80:3000*95,4000*5; the narrower of two ranges wins, if it lies within the other
one.toml:14:1: there is no key "no-local" in interface
    did you mean no_local?
one.toml:15:1: grants is no key of interface
    it is one of [[cgroup]]
one.toml:19:1: path beside unit
    an entry is for one cgroup; write another [[cgroup]]
one.toml:20:11: "x" is not a port to grant
    a grant is PORT[-PORT][/tcp|/udp|/tcp+udp], such as 80
one.toml:22:3: there is no table "interfaces"
    did you mean interface? there are defaults, interface, cgroup, host
two.toml:1:13: Error while parsing table header: expected ']', saw '\n'
    this is not TOML (https://toml.io); the rest of the file was not read
three.toml:2:1: flows is set already, at one.toml:6:1
    it holds for the whole host: set it once
three.toml:6:10: 80:5000 on eth0 (three.toml:6:10) conflicts with 80:3000 on eth0 (one.toml:13:10): listen port 80/tcp already goes to 3000
    keep one of the two, or give both a weight, such as 80:3000*95,4000*5; the narrower of two ranges wins, if it lies within the other
three.toml:7:9: netns "12" is a process id
    a policy outlives processes; write a name of ip netns, or a path
three.toml:8:9: owner: scope "eth0:": this is a rule, or the start of one
    a scope is an interface name or pattern, any, cgroup:PATH, unit:NAME, container:ID, user:NAME or pid:N
three.toml:10:1: engine sklookup doesn't take --forwarded
    leave one of the two out; docs/engines.md has what each engine takes
)");
    EXPECT_THAT(done.err, HasSubstr(": 19 errors in one.toml, two.toml, three.toml\n"));
}

TEST_F(PolicyFile, WhatContradictsInTwoFilesIsReportedWithBothPlaces) {
    const auto one = write("one.toml", "[[interface]]\nname = \"eth0\"\nrules = [\"80:3000\"]\n"
                                       "owner = \"root\"\n"
                                       "[[cgroup]]\nunit = \"web\"\nrules = [\"443:8443\"]\n");
    const auto two = write("two.toml", "[[interface]]\nname = \"eth0\"\nrules = [\"80:3000\"]\n"
                                       "[[interface]]\nname = \"eth1\"\nrules = [\"81:3000\"]\n"
                                       "owner = \"daemon\"\n"
                                       "[[cgroup]]\nunit = \"b\"\n"
                                       "rules = [\"443:8443\", \"20-30:=4000\", "
                                       "\"84:8084@192.0.2.0/24\"]\n");
    const auto done = check({one, two});
    EXPECT_EQ(done.status, 2);
    EXPECT_THAT(done.err, HasSubstr("two.toml:3:10: 80:3000 on eth0 is there twice\n"
                                    "    the other one is at one.toml:3:10\n"));
    EXPECT_THAT(done.err, HasSubstr("two.toml:6:10: target port 3000 of 81:3000 on eth1 would have "
                                    "two owners, root and daemon\n"
                                    "    the other rule is at one.toml:3:10\n"));
    EXPECT_THAT(done.err, HasSubstr("two.toml:10:10: 443:8443 on unit:b.service conflicts with "
                                    "443:8443 on unit:web.service, at one.toml:7:10\n"));
    EXPECT_THAT(done.err, HasSubstr("two.toml:10:22: 20-30:=4000 on unit:b.service can't hold"));
    EXPECT_THAT(done.err,
                HasSubstr("two.toml:10:37: 84:8084@192.0.2.0/24 on unit:b.service can't hold"));
    EXPECT_THAT(done.err, HasSubstr(": 5 errors in two.toml\n"));
    // Two namespaces never meet.
    const auto blue = write("blue.toml", "[defaults]\nnetns = \"blue\"\n[[interface]]\n"
                                         "name = \"eth0\"\nrules = [\"80:4000\"]\n");
    EXPECT_EQ(check({one, blue}).status, 0);
}

TEST_F(PolicyFile, ADirectoryStandsForItsFiles) {
    write("policy.toml", "[[interface]]\nname = \"eth0\"\nrules = [\"80:3000\"]\n");
    write("policy.d/10.toml", "[[interface]]\nname = \"eth0\"\nrules = [\"81:3000\"]\n");
    write("policy.d/20.toml.dpkg-old", "nonsense");
    write("policy.d/.20.toml", "nonsense");
    const auto done = check({directory});
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_EQ(done.out, "no errors: 2 files, 2 rules, 0 grants\n");
    write("policy.d/30.toml", "");
    EXPECT_EQ(check({directory}).out, "no errors: 3 files, 2 rules, 0 grants\n");
}

TEST_F(PolicyFile, WhatCantBeReadIsNoMistakeInAFile) {
    EXPECT_EQ(check({(directory / "none.toml").string()}).status, 1);
    EXPECT_EQ(check({directory}).status, 1);
    EXPECT_THAT(check({directory}).err, HasSubstr("there is no policy"));
    EXPECT_EQ(check({"/dev/zero"}).status, 1);
    const auto file = write("one.toml", "");
    ASSERT_EQ(::chmod(file.c_str(), 0666), 0);
    EXPECT_TRUE(read_policy_file(file, Trust::kAny));
    const auto refused = read_policy_file(file, Trust::kOwn);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().hint, HasSubstr("chmod o-w"));
}

// What a file says reaches the terminal as text on its own line.
TEST_F(PolicyFile, NoNameForgesALine) {
    const auto done = check({write("one.toml", R"("a\nb" = 1
[[interface]]
name = "e\n0"
"k\u001B[1m" = 2
rules = ["80:\n1"]
[[interface]]
name = "cgroup:/a\nb"
rules = ["80:3000"]
)")});
    EXPECT_EQ(done.status, 2);
    EXPECT_EQ(std::ranges::count(done.err, '\n'), 11) << done.err;
    EXPECT_EQ(done.err.find('\x1b'), std::string::npos);
}

// 10,000 conflicts are not 10,000 lines, and take no time.
TEST_F(PolicyFile, ManyRules) {
    std::string rules, others;
    for (unsigned i = 0; i < 10000; i++) {
        rules += fmt::format("\"{}:{}\",", 10001 + i, 30001 + i);
        others += fmt::format("\"{}:{}\",", 10001 + i, 40001 + i);
    }
    const std::string entry = "[[interface]]\nname = \"eth0\"\nrules = [";
    const auto one = write("one.toml", entry + rules + "]\n");
    EXPECT_EQ(check({one}).out, "no errors: 1 file, 10000 rules, 0 grants\n");
    const auto done = check({one, write("two.toml", entry + others + "]\n")});
    EXPECT_EQ(done.status, 2);
    EXPECT_THAT(done.err, HasSubstr(": 20 errors in two.toml"));
}

} // namespace
} // namespace bpfport
