// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The grammar of a rule: what is read, how it is printed, and what each mistake is answered with.
#include "rule/rule.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bpfport {
namespace {

struct Good {
    const char* text;
    std::vector<std::string> printed;
};

class RuleText : public testing::TestWithParam<Good> {};

TEST_P(RuleText, IsReadAndPrinted) {
    auto rules = parse_rules(GetParam().text);
    ASSERT_TRUE(rules) << rules.error().message;
    std::vector<std::string> printed;
    for (const Rule& rule : *rules) printed.push_back(rule.to_string());
    EXPECT_EQ(printed, GetParam().printed);
    for (const Rule& rule : *rules) {
        auto again = parse_rules(rule.to_string());
        ASSERT_TRUE(again) << again.error().message;
        EXPECT_THAT(*again, testing::ElementsAre(rule));
    }
}

INSTANTIATE_TEST_SUITE_P(
    Grammar, RuleText,
    testing::Values(
        Good{"80:3000", {"80:3000"}}, Good{"80:3000/tcp", {"80:3000"}},
        Good{"53:5353/udp", {"53:5353/udp"}},
        Good{"443:8443/tcp+udp", {"443:8443", "443:8443/udp"}}, Good{"1:65535", {"1:65535"}},
        Good{"192.0.2.1:80:3000", {"192.0.2.1:80:3000"}},
        Good{"[2001:db8::1]:443:8443/udp", {"[2001:db8::1]:443:8443/udp"}},
        Good{"[2001:DB8:0::1]:443:8443", {"[2001:db8::1]:443:8443"}},
        Good{"[::ffff:192.0.2.1]:80:3000", {"192.0.2.1:80:3000"}},
        Good{"127.0.0.1:80:3000", {"127.0.0.1:80:3000"}},
        Good{"8000-8010:18000-18010", {"8000-8010:18000-18010"}},
        Good{"8000-8000:3000", {"8000:3000"}}, Good{"8000-8100:=3000", {"8000-8100:=3000"}},
        Good{"[2001:db8::1]:1-65534:=65535/tcp+udp",
             {"[2001:db8::1]:1-65534:=65535", "[2001:db8::1]:1-65534:=65535/udp"}},
        Good{"80:=3000", {"80:3000"}}, Good{"8000-8100:=3000-3000", {"8000-8100:=3000"}},
        Good{"192.0.2.0/24:80:3000", {"192.0.2.0/24:80:3000"}},
        Good{"192.0.2.128/25:80-81:=3000/udp", {"192.0.2.128/25:80-81:=3000/udp"}},
        Good{"[2001:db8:1::/64]:443:8443/tcp+udp",
             {"[2001:db8:1::/64]:443:8443", "[2001:db8:1::/64]:443:8443/udp"}},
        Good{"[2000::/3]:443:8443", {"[2000::/3]:443:8443"}},
        Good{"0.0.0.0/0:80:3000", {"0.0.0.0/0:80:3000"}},
        Good{"192.0.2.1/32:80:3000", {"192.0.2.1:80:3000"}},
        Good{"[2001:db8::1/128]:80:3000", {"[2001:db8::1]:80:3000"}},
        Good{"80:3000@192.0.2.0/24", {"80:3000@192.0.2.0/24"}},
        Good{"80:3000/tcp+udp@2001:db8::/32,10.0.0.1/32,10.0.0.1",
             {"80:3000@10.0.0.1,2001:db8::/32", "80:3000/udp@10.0.0.1,2001:db8::/32"}},
        Good{"[2001:db8::1]:80-81:=3000@-2001:db8::7,::/0",
             {"[2001:db8::1]:80-81:=3000@::/0,-2001:db8::7"}},
        Good{"80:3000@-::/0", {"80:3000@-::/0"}},
        Good{"80:3000@10.0.0.0/255.0.0.0", {"80:3000@10.0.0.0/8"}},
        Good{"80:3000*95,4000*5", {"80:3000*95", "80:4000*5"}}, Good{"80:3000*0", {"80:3000*0"}},
        Good{"[2001:db8::1]:80-81:3000-3001*65535,=4000*0/tcp+udp@10.0.0.1",
             {"[2001:db8::1]:80-81:3000-3001*65535@10.0.0.1",
              "[2001:db8::1]:80-81:=4000*0@10.0.0.1",
              "[2001:db8::1]:80-81:3000-3001*65535/udp@10.0.0.1",
              "[2001:db8::1]:80-81:=4000*0/udp@10.0.0.1"}},
        Good{"1-32767:32769-65535", {"1-32767:32769-65535"}}));

struct Bad {
    const char* text;
    const char* message; // part of it
    const char* hint;    // part of it
};

class BadRule : public testing::TestWithParam<Bad> {};

TEST_P(BadRule, IsNamed) {
    auto rules = parse_rules(GetParam().text);
    ASSERT_FALSE(rules);
    EXPECT_EQ(rules.error().fault, Fault::kUsage);
    EXPECT_THAT(rules.error().message, testing::StartsWith("rule \""));
    EXPECT_THAT(rules.error().message, testing::HasSubstr(GetParam().message));
    EXPECT_THAT(rules.error().hint, testing::HasSubstr(GetParam().hint));
}

INSTANTIATE_TEST_SUITE_P(
    Mistakes, BadRule,
    testing::Values(
        Bad{"", "no target port", "such as 80:3000"},
        Bad{"80", "rule \"80\": no target port", "such as 80:3000"},
        Bad{"8080/udp", "no target port", "such as 8080:3000"},
        Bad{"80:", "target port is empty", "such as 80:3000"},
        Bad{":80", "listen port is empty", "PORT[-PORT]"},
        Bad{":80:3000", "local address is empty", "leave out its ':'"},
        Bad{"http:3000", "listen port \"http\" is not a number", "1 to 65535"},
        Bad{"80:web", "target port \"web\" is not a number", "1 to 65535"},
        Bad{"+80:3000", "listen port \"+80\" is not a number", ""},
        Bad{" 80:3000", "listen port \" 80\" is not a number", ""},
        Bad{"80:3000 ", "target port \"3000 \" is not a number", ""},
        Bad{"80:3000\n", "target port \"3000\\n\" is not a number", ""},
        Bad{"0x50:3000", "listen port \"0x50\" is not a number", ""},
        Bad{"-80:3000", "listen port is empty", ""},
        Bad{"80.0:3000", "listen port \"80.0\" is not a number", ""},
        Bad{"80,443:3000", "listen port \"80,443\" is not a number", ""},
        Bad{"080:3000", "listen port 080 begins with 0", "write 80:"},
        Bad{"0:3000", "listen port 0 can't be redirected", "1 to 65535"},
        Bad{"80:0", "target port 0 can't be redirected", "1 to 65535"},
        Bad{"80:00", "target port 00 can't be redirected", "1 to 65535"},
        Bad{"80:65536", "target port 65536 is above 65535", "1 to 65535"},
        Bad{"99999999999999999999:3000", "is above 65535", "1 to 65535"},
        Bad{"80-:3000", "end of the listen port range is empty", ""},
        Bad{"80-90-99:3000", "end of the listen port range \"90-99\" is not a number", ""},
        Bad{"80-90:3000", "listen 80-90 is 11 long, target 3000 is 1",
            "one to one: 80-90:3000-3010; all to one port: 80-90:=3000"},
        Bad{"80-90:=3000-3010", "'=' before the target range", "80-90:=3000"},
        Bad{"80:=3000-3010", "'=' before the target range", "80:=3000"},
        Bad{"80-90:=", "target port is empty", ""},
        Bad{"80-90:==3000", "\"=3000\" is not a number", ""},
        Bad{"80-90=:3000", "\"90=\" is not a number", ""},
        Bad{"80-90:=85", "target ports 85 overlap the listen ports 80-90", "outside"},
        Bad{"80:3000,4000", "target 3000 has no weight", "80:3000*1,4000*1"},
        Bad{"80:3000*95,4000", "target 4000 has no weight", "80:3000*1,4000*1"},
        Bad{"80:3000*95,", "target port is empty", ""},
        Bad{"80:3000*", "weight \"\" of target 3000", "80:3000*95,4000*5"},
        Bad{"80:3000*05", "weight \"05\" of target 3000", "0 to 65535"},
        Bad{"80:3000*65536", "weight \"65536\" of target 3000", "0 to 65535"},
        Bad{"80:3000*95*5", "weight \"95*5\" of target 3000", ""},
        Bad{"80:3000*0,4000*0", "all weights are 0", "one target"},
        Bad{"80-81:3000-3001*1,3001-3002*1", "target 3001-3002 is there twice", "once"},
        Bad{"80*5:3000", "listen port \"80*5\" is not a number", ""},
        Bad{"80-90:=auto", "target port \"auto\" is not a number", ""},
        Bad{"80-90:3000-3011", "listen 80-90 is 11 long, target 3000-3011 is 12",
            "80-90:3000-3010"},
        Bad{"80-90:65530", "unequal length",
            "both must be of one length; all to one port: 80-90:=65530"},
        Bad{"90-80:3000-3010", "listen port range 90-80 runs backwards", "80-90"},
        Bad{"80-90:3010-3000", "target port range 3010-3000 runs backwards", "3000-3010"},
        Bad{"80:80", "target port 80 is the listen port itself", "bpfport grant"},
        Bad{"80-90:85-95", "target ports 85-95 overlap the listen ports 80-90", "outside"},
        Bad{"80:3000/", "unknown protocol \"\"", "/tcp, /udp or /tcp+udp"},
        Bad{"80:3000/sctp", "unknown protocol \"sctp\"", "/tcp, /udp or /tcp+udp"},
        Bad{"80:3000/TCP", "unknown protocol \"TCP\"", "/tcp, /udp or /tcp+udp"},
        Bad{"80:3000/tcp/udp", "unknown protocol \"tcp/udp\"", "/tcp+udp"},
        Bad{"10.0.0.1/8:80:3000", "10.0.0.1/8 has bits set behind its length",
            "write 10.0.0.0/8 for all of it, 10.0.0.1 for the one address"},
        Bad{"[2001:db8::1/64]:80:3000", "bits set behind its length", "write 2001:db8::/64"},
        Bad{"10.0.0.0/33:80:3000", "prefix length \"33\"", "0 to 32"},
        Bad{"[2001:db8::/129]:80:3000", "prefix length \"129\"", "0 to 128"},
        Bad{"10.0.0.0/:80:3000", "prefix length \"\"", "10.0.0.0/32"},
        Bad{"10.0.0.0/08:80:3000", "prefix length \"08\"", ""},
        Bad{"10.0.0.0/-1:80:3000", "prefix length \"-1\"", ""},
        Bad{"10.0.0.0/255.0.0.0:80:3000", "prefix length \"255.0.0.0\"", ""},
        Bad{"10.0.0.0/8/8:80:3000", "prefix length \"8/8\"", ""},
        Bad{"[::/0]:80:3000", "::/0 is too short", "2000::/3"},
        Bad{"[::/80]:80:3000", "::/80 is too short", "IPv4 and IPv6"},
        Bad{"224.0.0.0/4:80:3000", "multicast", ""}, Bad{"[ff00::/8]:80:3000", "multicast", ""},
        Bad{"10.0.0.0/8:80", "a '/' before the target port", "192.0.2.0/24:80:3000"},
        Bad{"80/udp:3000", "a '/' before the target port", "80:3000/udp"},
        Bad{"localhost:80:3000", "\"localhost\" is not an IP address", "no name"},
        Bad{"eth0:80:3000", "\"eth0\" is not an IP address", "goes before the rules"},
        Bad{"10.0.0:80:3000", "\"10.0.0\" is not an IP address", "IPv4"},
        Bad{"010.0.0.1:80:3000", "\"010.0.0.1\" is not an IP address", "IPv4"},
        Bad{"2001:db8::1:443:8443", "more than two ':'", "in brackets"},
        Bad{"[2001:db8::1:443:8443", "no closing ']'", ""},
        Bad{"[2001:db8::1]443:8443", "no ':' after the local address", ""},
        Bad{"[2001:db8::1]:443", "no target port", "443:3000"},
        Bad{"[]:443:8443", "local address is empty", ""},
        Bad{"[192.0.2.1]:80:3000", "in brackets", "brackets are for IPv6"},
        Bad{"[fe80::1%eth0]:80:3000", "has a zone", "scope"},
        Bad{"0.0.0.0:80:3000", "does not name one address", "leave it out"},
        Bad{"[::]:80:3000", "does not name one address", "leave it out"},
        Bad{"224.0.0.1:80:3000", "multicast", ""}, Bad{"255.255.255.255:80:3000", "broadcast", ""},
        Bad{"[ff02::1]:80:3000", "multicast", ""},
        Bad{"80:3000@", "a prefix is empty", "192.0.2.0/24,2001:db8::/32"},
        Bad{"80:3000@10.0.0.1,", "a prefix is empty", ""},
        Bad{"80:3000@-", "a prefix is empty", ""},
        Bad{"80:3000@10.0.0.1@10.0.0.2", "not an address or prefix", ""},
        Bad{"80:3000@10.0.0.1/udp", "\"10.0.0.1/udp\" is not an address or prefix", ""},
        Bad{"80:3000@[2001:db8::1]", "not an address or prefix", "without brackets"},
        Bad{"80:3000@office", "\"office\" is not an address or prefix", ""},
        Bad{"80:3000@10.0.0.1/24", "bits set behind its length", "write 10.0.0.0/24"},
        Bad{"80:3000@10.0.0.0/24,-10.1.0.0/24", "-10.1.0.0/24 takes nothing out", ""},
        Bad{"80:3000@10.0.0.0/24,-10.0.0.0/8", "10.0.0.0/24 is taken out by -10.0.0.0/8", ""}));

TEST(Rule, RangesMapOneToOne) {
    auto rules = parse_rules("8000-8010:18000-18010");
    ASSERT_TRUE(rules);
    EXPECT_EQ(rules->front().target_of(8000), 18000);
    EXPECT_EQ(rules->front().target_of(8007), 18007);
    EXPECT_EQ(rules->front().target_of(8010), 18010);
}

TEST(Rule, MakeChecksAsParsingDoes) {
    EXPECT_TRUE(Rule::make({}, {80, 80}, {3000, 3000}, Protocol::kTcp));
    EXPECT_FALSE(Rule::make({}, {0, 0}, {3000, 3000}, Protocol::kTcp));
    EXPECT_FALSE(Rule::make({}, {90, 80}, {3000, 3010}, Protocol::kTcp));
    EXPECT_FALSE(Rule::make({}, {80, 81}, {3000, 3000}, Protocol::kTcp));
    EXPECT_FALSE(Rule::make(Prefix{}, {80, 80}, {3000, 3000}, Protocol::kTcp));
    EXPECT_FALSE(Rule::make(Prefix{*parse_address("10.0.0.1"), 129}, {80, 80}, {3000, 3000},
                            Protocol::kTcp));
    EXPECT_FALSE(
        Rule::make(Prefix{*parse_address("10.0.0.0"), 8}, {80, 80}, {3000, 3000}, Protocol::kTcp))
        << "IPv4's own length and 96";
    EXPECT_FALSE(Rule::make({}, {80, 81}, {3000, 3001}, Protocol::kTcp, PortMapping::kOneTarget));
}

TEST(Rule, ManyListenPortsGoToOneTarget) {
    const auto rule = parse_rules("8000-8010:=3000").value().front();
    EXPECT_TRUE(rule.one_target());
    EXPECT_EQ(rule.target_of(8000), 3000);
    EXPECT_EQ(rule.target_of(8010), 3000);
    EXPECT_EQ(rule.target(), (PortRange{3000, 3000}));
    EXPECT_NE(rule, parse_rules("8000-8010:3000-3010").value().front());
    EXPECT_EQ(parse_rules("80:=3000").value().front(), parse_rules("80:3000").value().front());
}

TEST(Rule, CoversItsLocalAddresses) {
    const auto covers = [](const char* rule, const char* address) {
        return parse_rules(rule).value().front().covers(parse_address(address).value());
    };
    for (const char* any : {"192.0.2.1", "2001:db8::1"}) EXPECT_TRUE(covers("80:3000", any));
    EXPECT_TRUE(covers("192.0.2.0/24:80:3000", "192.0.2.255"));
    EXPECT_FALSE(covers("192.0.2.0/24:80:3000", "192.0.3.0"));
    EXPECT_TRUE(covers("192.0.2.4/30:80:3000", "192.0.2.7"));
    EXPECT_FALSE(covers("192.0.2.4/30:80:3000", "192.0.2.8"));
    EXPECT_TRUE(covers("0.0.0.0/0:80:3000", "198.51.100.1"));
    EXPECT_FALSE(covers("0.0.0.0/0:80:3000", "2001:db8::1"));
    EXPECT_TRUE(covers("[2001:db8:1::/48]:80:3000", "2001:db8:1:ffff::1"));
    EXPECT_FALSE(covers("[2001:db8:1::/48]:80:3000", "2001:db8:2::1"));
    EXPECT_TRUE(covers("192.0.2.1:80:3000", "192.0.2.1"));
    EXPECT_FALSE(covers("192.0.2.1:80:3000", "192.0.2.0"));
}

TEST(Rule, TextWithANulIsRefused) {
    using namespace std::string_view_literals;
    EXPECT_FALSE(parse_rules("80:3000\0"sv));
    EXPECT_FALSE(parse_rules("10.0.0.1\0:80:3000"sv));
    EXPECT_FALSE(parse_address("10.0.0.1\0"sv));
}

} // namespace
} // namespace bpfport
