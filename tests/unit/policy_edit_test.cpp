// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// --save: what becomes of the text of a policy file, and that an edit says what was meant.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/policy_edits.hpp"

namespace bpfport {
namespace {

using testing::HasSubstr;

std::string put(const std::string& text, const std::vector<std::string>& words,
                const EntryOptions& options = {}) {
    auto done = edited_text(text, make_edit(PolicyEdit::Kind::kPut, words, options));
    return done ? *done : "error: " + done.error().message;
}

std::string removed(const std::string& text, const std::vector<std::string>& words,
                    const EntryOptions& options = {}) {
    auto done = edited_text(text, make_edit(PolicyEdit::Kind::kRemove, words, options));
    return done ? *done : "error: " + done.error().message;
}

EntryOptions with_owner(const char* owner) {
    EntryOptions options;
    options.owner = owner;
    return options;
}

TEST(PolicyEdit, FirstRuleMakesAnEntry) {
    EXPECT_EQ(put("", {"eth0", "80:3000"}),
              "[[interface]]\nname = \"eth0\"\nrules = [\"80:3000\"]\n");
    EXPECT_EQ(put("# ours\n", {"eth0", "wlan0", "80:3000", "53:5353/udp"}),
              "# ours\n\n[[interface]]\nname = [\"eth0\", \"wlan0\"]\n"
              "rules = [\"80:3000\", \"53:5353/udp\"]\n");
    EXPECT_EQ(put("# without a newline", {"any", "80:3000"}, with_owner("www-data")),
              "# without a newline\n\n[[interface]]\nname = \"any\"\nrules = [\"80:3000\"]\n"
              "owner = \"www-data\"\n");
    EXPECT_EQ(put("", {"unit:web", "80:auto"}),
              "[[cgroup]]\nunit = \"web.service\"\nrules = [\"80:auto\"]\n");
    EXPECT_EQ(put("", {"cgroup:/web.slice", "80", "53/udp"}),
              "[[cgroup]]\npath = \"/web.slice\"\ngrants = [\"80\", \"53/udp\"]\n");
    EXPECT_EQ(put("", {"user:a", "user:b", "80:3000"}),
              "error: the edited policy would have errors: "
              "policy.toml:7:10: 80:3000 on user:b "
              "conflicts with 80:3000 on user:a, at "
              "policy.toml:3:10");
}

TEST(PolicyEdit, AWeightIsOfOneTarget) {
    const std::string plain =
        "[[interface]]\nname = \"eth0\"\nrules = [\"80:3000\", \"443:8443\"]\n";
    const auto shared = put(plain, {"eth0", "80:3000*95,4000*5"});
    EXPECT_EQ(shared, "[[interface]]\nname = \"eth0\"\n"
                      "rules = [\"80:3000*95\", \"443:8443\", \"80:4000*5\"]\n");
    EXPECT_EQ(put(shared, {"eth0", "80:3000*95,4000*5"}), shared) << "it says so already";
    EXPECT_EQ(put(shared, {"eth0", "80:4000*50"}),
              "[[interface]]\nname = \"eth0\"\n"
              "rules = [\"80:3000*95\", \"443:8443\", \"80:4000*50\"]\n");
    EXPECT_EQ(removed(shared, {"eth0", "80:4000"}), put(plain, {"eth0", "80:3000*95"}));
    EXPECT_EQ(put(removed(shared, {"eth0", "80:4000*5"}), {"eth0", "80:3000"}), plain);
    // Weights are checked as a whole; the error is at the rule that it names.
    EXPECT_THAT(put(plain, {"eth1", "80:3000*0"}),
                HasSubstr("policy.toml:7:10: 80:3000*0 on eth1 (policy.toml:7:10): every target of "
                          "the listen port has weight 0"));
}

constexpr const char* kCommented = R"(# Ports of this host.
[defaults]
owner = "www-data"   # for all

# The web server.
[[interface]]        # first
name = "eth0"
rules = [
    "80:3000",       # http
    "443:8443",      # https
    # until May:
    "8080:3000"      # the old one
]

# DNS
[[interface]]
name = ["eth0", "wlan0"]
rules = ["53:5353/tcp+udp"]   # both
)";

// kCommented with one part of it changed.
std::string with(std::string before, std::string_view part, std::string_view other) {
    const auto at = before.find(part);
    EXPECT_NE(at, before.npos) << part;
    return before.replace(at, part.size(), other);
}

TEST(PolicyEdit, CommentsAndLayoutStay) {
    const EntryOptions owned = with_owner("www-data");
    EXPECT_EQ(put(kCommented, {"eth0", "80:3000"}, owned), kCommented) << "it says so already";
    EXPECT_EQ(put(kCommented, {"eth0", "25:2525"}, owned),
              with(kCommented, "\"8080:3000\"      # the old one\n",
                   "\"8080:3000\",      # the old one\n    \"25:2525\",\n"));
    EXPECT_EQ(put(kCommented, {"eth0", "443:9443"}, owned),
              with(kCommented, "443:8443", "443:9443"))
        << "the comment beside a rule with another target stays";
    EXPECT_EQ(put(kCommented, {"wlan0", "eth0", "123:1230/udp"}, owned),
              with(kCommented, "+udp\"]", "+udp\", \"123:1230/udp\"]"));
    EXPECT_EQ(removed(kCommented, {"eth0", "443:8443"}),
              with(kCommented, "    \"443:8443\",      # https\n", ""));
    EXPECT_EQ(removed(kCommented, {"eth0", "8080:3000"}),
              with(kCommented, "    \"8080:3000\"      # the old one\n", ""));
    EXPECT_EQ(removed(kCommented, {"eth0", "wlan0", "53:5353/udp"}),
              with(kCommented, "53:5353/tcp+udp", "53:5353"));
    EXPECT_EQ(removed(kCommented, {"eth0", "wlan0", "53:5353/tcp+udp"}),
              with(kCommented,
                   "[[interface]]\nname = [\"eth0\", \"wlan0\"]\nrules = "
                   "[\"53:5353/tcp+udp\"]   # both\n",
                   ""))
        << "a comment above an entry may be about more than the entry";
}

TEST(PolicyEdit, OneScopeOfSeveralLeavesTheEntry) {
    EXPECT_EQ(removed(kCommented, {"wlan0"}),
              with(kCommented, "[\"eth0\", \"wlan0\"]", "[\"eth0\"]"));
    EXPECT_EQ(removed(kCommented, {"eth0", "53:5353"}),
              with(kCommented, "[\"eth0\", \"wlan0\"]", "[\"wlan0\"]") +
                  "\n[[interface]]\nname = \"eth0\"\nrules = [\"53:5353/udp\"]\n");
    // wlan0's rule gets another target; eth0's does not.
    EntryOptions remote = with_owner("www-data");
    remote.no_local = true;
    EXPECT_EQ(put(kCommented, {"wlan0", "53:5000"}, remote),
              with(kCommented, "[\"eth0\", \"wlan0\"]", "[\"eth0\"]") +
                  "\n[[interface]]\nname = \"wlan0\"\nrules = [\"53:5353/udp\"]\n"
                  "\n[[interface]]\nname = \"wlan0\"\nrules = [\"53:5000\"]\n"
                  "no_local = true\n");
}

TEST(PolicyEdit, OddLayoutsAreEdited) {
    // One value in the place of a list.
    EXPECT_EQ(put("[[interface]]\nname='eth0'\nrules='80:3000' # x\n", {"eth0", "443:8443"}),
              "[[interface]]\nname='eth0'\nrules=['80:3000', \"443:8443\"] # x\n");
    // Inline tables, with text before them that has more bytes than characters.
    const std::string table =
        "interface = [{ name = \"é\", rules = [ \"80:3000\" , \"81:3001\",] }]\n";
    EXPECT_EQ(removed(table, {"é", "80:3000"}),
              "interface = [{ name = \"é\", rules = [ \"81:3001\",] }]\n");
    EXPECT_EQ(removed(table, {"é", "81:3001"}),
              "interface = [{ name = \"é\", rules = [ \"80:3000\",] }]\n");
    EXPECT_EQ(
        put(table, {"é", "82:3002"}),
        "interface = [{ name = \"é\", rules = [ \"80:3000\" , \"81:3001\", \"82:3002\",] }]\n");
    EXPECT_EQ(put(table, {"eth1", "82:3002"}),
              "interface = [{ name = \"é\", rules = [ \"80:3000\" , \"81:3001\",] }, "
              "{ name = \"eth1\", rules = [\"82:3002\"] }]\n");
    EXPECT_EQ(removed(table, {"é"}), "");
    // Several keys of a cgroup, one of which becomes empty.
    const std::string cgroup = "cgroup = [{ unit = \"web\", rules = [\"80:3000\"], grants = 25 }]";
    EXPECT_EQ(removed(cgroup, {"unit:web.service"}), "cgroup = [{ unit = \"web\", grants = 25 }]");
    EXPECT_EQ(removed(cgroup, {"unit:web", "25"}),
              "cgroup = [{ unit = \"web\", rules = [\"80:3000\"] }]");
    // Newlines of another system, and a mark at the beginning.
    EXPECT_EQ(
        put("\xef\xbb\xbf[[interface]]\r\nname = \"a\"\r\nrules = [\r\n  \"1:3000\",\r\n]\r\n",
            {"a", "2:3001"}),
        "\xef\xbb\xbf[[interface]]\r\nname = \"a\"\r\nrules = [\r\n  \"1:3000\",\r\n"
        "  \"2:3001\",\r\n]\r\n");
    EXPECT_EQ(put("[[interface]]\r\nname = \"a\"\r\nrules = \"1:3000\"\r\n", {"b", "2:3001"}),
              "[[interface]]\r\nname = \"a\"\r\nrules = \"1:3000\"\r\n"
              "\r\n[[interface]]\r\nname = \"b\"\r\nrules = [\"2:3001\"]\r\n");
    // The spelling is not the rule's shortest.
    EXPECT_EQ(removed("[[interface]]\nname = \"a\"\nrules = [\"80-80:3000/tcp\", \"81:3001\"]\n",
                      {"a", "80:3000"}),
              "[[interface]]\nname = \"a\"\nrules = [\"81:3001\"]\n");
    EXPECT_EQ(removed("[[cgroup]]\nuser = \"a\"\ngrants = [\"80,443,25\"]\n", {"user:a", "443"}),
              "[[cgroup]]\nuser = \"a\"\ngrants = [\"80,25\"]\n");
}

TEST(PolicyEdit, EntriesOfOtherFilesAreFound) {
    const std::vector<PolicyFile> files{
        {"policy.toml", "# the host's\n"},
        {"policy.d/web.toml", "[[interface]]\nname = \"eth0\"\nrules = [\"80:3000\"] # web\n"},
        {"policy.d/blue.toml",
         "[defaults]\nnetns = \"blue\"\n[[interface]]\nname = \"eth0\"\nrules = [\"80:3000\"]\n"}};
    auto more = edit_policy(files, 0, make_edit(PolicyEdit::Kind::kPut, {"eth0", "81:3001"}),
                            engine_choices());
    ASSERT_TRUE(more) << more.error().message;
    EXPECT_EQ((*more)[0].text, files[0].text);
    EXPECT_THAT((*more)[1].text, HasSubstr("[\"80:3000\", \"81:3001\"] # web"));
    EXPECT_EQ((*more)[2].text, files[2].text);
    auto fewer =
        edit_policy(files, 0, make_edit(PolicyEdit::Kind::kRemove, {"eth0"}), engine_choices());
    ASSERT_TRUE(fewer) << fewer.error().message;
    EXPECT_EQ((*fewer)[1].text, "");
    EXPECT_EQ((*fewer)[2].text, files[2].text) << "of another network namespace";
    EntryOptions blue;
    blue.netns = "/run/netns/blue";
    fewer = edit_policy(files, 0, make_edit(PolicyEdit::Kind::kRemove, {"eth0"}, blue),
                        engine_choices());
    ASSERT_TRUE(fewer) << fewer.error().message;
    EXPECT_EQ((*fewer)[1].text, files[1].text);
    EXPECT_EQ((*fewer)[2].text, "[defaults]\nnetns = \"blue\"\n");
}

TEST(PolicyEdit, OptionsBelongToTheRule) {
    const std::string text = "[[interface]]\nname = \"a\"\nrules = [\"80:3000\"]\n";
    EntryOptions tc;
    tc.engine = "tc";
    tc.exclusive = true;
    EXPECT_EQ(
        put(text, {"a", "80:3000"}, tc),
        "[[interface]]\nname = \"a\"\nrules = [\"80:3000\"]\nengine = \"tc\"\nexclusive = true\n");
    // What [defaults] sets and the rule doesn't have is said.
    EXPECT_EQ(put("[defaults]\nno_local = true\n", {"a", "80:3000"}),
              "[defaults]\nno_local = true\n\n[[interface]]\nname = \"a\"\nrules = [\"80:3000\"]\n"
              "no_local = false\n");
    // A rule that is required stays so.
    const std::string required = text + "required = true\n";
    EXPECT_EQ(put(required, {"a", "80:3000"}), required);
    EXPECT_EQ(put(required, {"a", "80:4000"}), with(required, "3000", "4000"));
}

TEST(PolicyEdit, WhatNoFileCanSayIsRefused) {
    EXPECT_THAT(put("[defaults]\nowner = \"web\"\n", {"a", "80:3000"}),
                HasSubstr("error: [defaults] sets owner"));
    EXPECT_THAT(removed("[[interface]]\nname = \"eth*\"\nrules = [\"80:3000\"]\n", {"eth0"}),
                HasSubstr("error: 80:3000 on eth*, at policy.toml:1:1, is for eth0 as well"));
    EXPECT_THAT(put("[[interface]]\nname = \"eth*\"\nrules = [\"80:3000\"]\n", {"eth0", "80:4000"}),
                HasSubstr("is for eth0 as well"));
    EXPECT_THAT(put("[[interface]]\nname = \"a\"\nruls = [\"80:3000\"]\n", {"b", "80:3000"}),
                HasSubstr("error: the policy has errors: policy.toml:3:1"));
    EXPECT_THAT(put("[interface]\nname = \"a\"\nrules = [\"80:3000\"]\n", {"b", "80:3000"}),
                HasSubstr("error: the edited policy would have errors"));
}

TEST(PolicyEdit, PatternsStandForTheirInterfaces) {
    const std::string text = "[[interface]]\nname = \"eth0\"\nrules = [\"80:3000\", \"81:3001\"]\n";
    const std::string pattern = "[[interface]]\nname = \"eth*\"\nrules = [\"80:3000\"]\n";
    EXPECT_EQ(put(pattern, {"eth0", "80:3000"}), pattern);
    EXPECT_EQ(put(text, {"eth*", "80:3000"}),
              "[[interface]]\nname = \"eth0\"\nrules = [\"81:3001\"]\n\n" + pattern);
    EXPECT_EQ(removed(text, {"eth*", "81:3001"}), with(text, ", \"81:3001\"", ""));
}

} // namespace
} // namespace bpfport
