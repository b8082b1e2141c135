// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The spellings of a scope, and how a command line tells scopes from rules.
#include "rule/scope.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bpfport {
namespace {

using Kind = Scope::Kind;

struct Good {
    const char* text;
    Kind kind;
    const char* name;
    const char* printed;
};

class ScopeText : public testing::TestWithParam<Good> {};

TEST_P(ScopeText, IsReadAndPrinted) {
    auto scope = parse_scope(GetParam().text);
    ASSERT_TRUE(scope) << scope.error().message;
    EXPECT_EQ(scope->kind(), GetParam().kind);
    EXPECT_EQ(scope->name(), GetParam().name);
    EXPECT_EQ(scope->to_string(), GetParam().printed);
    EXPECT_EQ(parse_scope(scope->to_string()), *scope);
}

INSTANTIATE_TEST_SUITE_P(
    Spellings, ScopeText,
    testing::Values(
        Good{"eth0", Kind::kInterface, "eth0", "eth0"},
        Good{"eth0.100", Kind::kInterface, "eth0.100", "eth0.100"},
        Good{"wg-home@x", Kind::kInterface, "wg-home@x", "wg-home@x"},
        Good{"6in4", Kind::kInterface, "6in4", "6in4"},
        Good{"fifteen-bytes-x", Kind::kInterface, "fifteen-bytes-x", "fifteen-bytes-x"},
        Good{"dev:eth0", Kind::kInterface, "eth0", "eth0"},
        Good{"dev:any", Kind::kInterface, "any", "dev:any"},
        Good{"dev:80", Kind::kInterface, "80", "dev:80"}, Good{"any", Kind::kAny, "", "any"},
        Good{"eth*", Kind::kPattern, "eth*", "eth*"}, Good{"*", Kind::kPattern, "*", "*"},
        Good{"enp[0-9]*s[0-9]*f?", Kind::kPattern, "enp[0-9]*s[0-9]*f?", "enp[0-9]*s[0-9]*f?"},
        Good{"dev:eth*", Kind::kInterface, "eth*", "dev:eth*"},
        Good{"/web.slice", Kind::kCgroup, "/web.slice", "cgroup:/web.slice"},
        Good{"cgroup:/web.slice", Kind::kCgroup, "/web.slice", "cgroup:/web.slice"},
        Good{"cgroup://a//b/", Kind::kCgroup, "/a/b", "cgroup:/a/b"},
        Good{"/", Kind::kCgroup, "/", "cgroup:/"},
        Good{"/a:80:3000", Kind::kCgroup, "/a:80:3000", "cgroup:/a:80:3000"},
        Good{"unit:nginx", Kind::kUnit, "nginx.service", "unit:nginx.service"},
        Good{"unit:web.slice", Kind::kUnit, "web.slice", "unit:web.slice"},
        Good{"unit:getty@tty1", Kind::kUnit, "getty@tty1.service", "unit:getty@tty1.service"},
        Good{"container:web_1", Kind::kContainer, "web_1", "container:web_1"},
        Good{"user:deploy", Kind::kUser, "deploy", "user:deploy"},
        Good{"user:1000", Kind::kUser, "1000", "user:1000"},
        Good{"pid:12", Kind::kPid, "", "pid:12"}));

struct Bad {
    const char* text;
    const char* message;
    const char* hint;
};

class BadScope : public testing::TestWithParam<Bad> {};

TEST_P(BadScope, IsNamed) {
    auto scope = parse_scope(GetParam().text);
    ASSERT_FALSE(scope);
    EXPECT_EQ(scope.error().fault, Fault::kUsage);
    EXPECT_THAT(scope.error().message, testing::HasSubstr(GetParam().message));
    EXPECT_THAT(scope.error().hint, testing::HasSubstr(GetParam().hint));
}

INSTANTIATE_TEST_SUITE_P(
    Mistakes, BadScope,
    testing::Values(
        Bad{"", "interface name is empty", "cgroup:PATH"},
        Bad{"dev:", "interface name is empty", ""}, Bad{"sixteen-bytes-xy", "16 bytes", "15"},
        Bad{"eth 0", "not an interface name", ""}, Bad{"eth0\n", "not an interface name", ""},
        Bad{"a/b", "not an interface name", ""}, Bad{"eth */", "not an interface name", ""},
        Bad{"*-a-pattern-that-is-longer-than-any-list-of-names-in-brackets-needs-to-be",
            "pattern has", "at most 64"},
        Bad{"..", "not an interface name", ""}, Bad{"dev:a:b", "not an interface name", ""},
        Bad{"80", "scope \"80\": this is a rule", "interface name"},
        Bad{"80:3000", "this is a rule", ""}, Bad{"service:nginx", "this is a rule", "unit:NAME"},
        Bad{"cgroup:web.slice", "not absolute", "cgroup:/web.slice"},
        Bad{"cgroup:", "not absolute", ""}, Bad{"cgroup:a\n", "not absolute", "cgroup:/a\\n"},
        Bad{"/a/../b", "\"..\"", ""}, Bad{"unit:", "not the name of a systemd unit", "unit:nginx"},
        Bad{"unit:a/b", "not the name of a systemd unit", ""},
        Bad{"unit:backup.timer", "has no processes", ".service"},
        Bad{"user:", "not a user's name", "user:deploy"}, Bad{"user:../x", "not a user's name", ""},
        Bad{"user:a b", "not a user's name", ""}, Bad{"container:", "container", "docker ps"},
        Bad{"container:-x", "container", ""}, Bad{"container:a/b", "container", ""},
        Bad{"pid:", "not a process id", "pid:N"}, Bad{"pid:0", "not a process id", ""},
        Bad{"pid:-1", "not a process id", ""}, Bad{"pid:012", "not a process id", ""},
        Bad{"pid:12x", "not a process id", ""}, Bad{"pid:4194305", "not a process id", "4194304"}));

// systemd's limit is on the whole name, with the suffix that was left out.
TEST(Scope, LengthOfAUnit) {
    EXPECT_TRUE(parse_scope("unit:" + std::string(247, 'u')));
    EXPECT_FALSE(parse_scope("unit:" + std::string(248, 'u')));
    EXPECT_TRUE(parse_scope("unit:" + std::string(249, 'u') + ".slice"));
    EXPECT_FALSE(parse_scope("unit:" + std::string(250, 'u') + ".slice"));
}

TEST(Scope, KnowsWhatIsACgroup) {
    for (const char* text : {"/a", "unit:a", "container:a", "user:a", "pid:1"})
        EXPECT_TRUE(parse_scope(text)->is_cgroup()) << text;
    for (const char* text : {"eth0", "any", "eth*"})
        EXPECT_FALSE(parse_scope(text)->is_cgroup()) << text;
}

TEST(Scope, MatchesInterfaces) {
    struct Case {
        const char *scope, *interface;
        bool matches;
    };
    for (const auto& [scope, interface, matches] :
         {Case{"eth0", "eth0", true}, Case{"eth0", "eth1", false}, Case{"eth*", "eth10", true},
          Case{"eth*", "wlan0", false}, Case{"eth?", "eth10", false}, Case{"eth[01]", "eth1", true},
          Case{"eth[!01]", "eth1", false}, Case{"*", "wg-home", true}, Case{"*", "lo", false},
          Case{"l*", "lo", false}, Case{"lo", "lo", true}, Case{"dev:eth*", "eth0", false},
          Case{"dev:eth*", "eth*", true}, Case{"any", "any", false}})
        EXPECT_EQ(parse_scope(scope)->matches(interface), matches) << scope << " " << interface;
}

TEST(Scope, IsToldFromARule) {
    for (const char* rule : {"80:3000", "443:8443/udp", "[::1]:80:3000", "80", "80/udp", "80-90",
                             "10.0.0.1:80:3000", "http:3000", ":80"})
        EXPECT_TRUE(looks_like_rule(rule)) << rule;
    for (const char* scope : {"", "eth0", "6in4", "any", "/80:3000", "dev:80", "cgroup:/80:3000",
                              "unit:80", "container:80", "pid:80", "-80", "a/b"})
        EXPECT_FALSE(looks_like_rule(scope)) << scope;
}

} // namespace
} // namespace bpfport
