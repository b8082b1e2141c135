// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Which rules may hold together. A case is written "RULE on SCOPE [flags]"; any is ifindex 0.
#include "rule/conflict.hpp"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace bpfport {
namespace {

PlacedRule placed(const std::string& text) {
    std::istringstream words(text);
    std::string rule, on, scope, flag;
    words >> rule >> on >> scope;
    PlacedRule result{.rule = parse_rules(rule).value().at(0), .scope_name = scope};
    result.ifindex = scope == "any" ? 0 : scope == "eth0" ? 2 : 3;
    while (words >> flag) {
        if (flag == "no-local") result.no_local = true;
        if (flag == "vlan") result.vlan = true;
    }
    return result;
}

struct Case {
    const char* existing;
    const char* added;
    const char* reason; // part of the refusal; null: no conflict
};

class Conflict : public testing::TestWithParam<Case> {};

TEST_P(Conflict, IsFoundBothWays) {
    const Case& c = GetParam();
    PlacedRule a = placed(c.existing);
    PlacedRule b = placed(c.added);
    auto against_existing = check_conflicts(std::span(&a, 1), std::span(&b, 1));
    PlacedRule both[] = {b, a};
    auto among_added = check_conflicts({}, both);
    ASSERT_EQ(against_existing.has_value(), c.reason == nullptr);
    ASSERT_EQ(among_added.has_value(), c.reason == nullptr);
    if (!c.reason) return;
    for (const Error& error : {against_existing.error(), among_added.error()}) {
        EXPECT_THAT(error.message, testing::HasSubstr(c.reason));
        EXPECT_THAT(error.message, testing::HasSubstr(a.to_string()));
        EXPECT_THAT(error.message, testing::HasSubstr(b.to_string()));
        EXPECT_FALSE(error.hint.empty());
    }
}

INSTANTIATE_TEST_SUITE_P(
    Targets, Conflict,
    testing::Values(Case{"80:3000 on eth0", "80:4000 on eth0", "listen port 80/tcp already goes"},
                    Case{"80:3000 on any", "80:4000 on eth0", "already goes"},
                    Case{"80:3000 on any", "80:4000 on any", "already goes"},
                    Case{"80:3000 on eth0", "10.0.0.1:80:4000 on eth0", "already goes"},
                    Case{"10.0.0.1:80:3000 on eth0", "10.0.0.1:80:4000 on any", "already goes"},
                    Case{"8000-8010:18000-18010 on eth0", "8005-8020:28005-28020 on eth0",
                         "listen ports 8005-8010/tcp already goes"},
                    Case{"8000-8010:18000-18010 on eth0", "8005:9000 on eth0", "port 8005/tcp"},
                    Case{"80:3000 on eth0", "80:4000/udp on eth0", nullptr},
                    Case{"80:3000 on eth0", "443:3000 on eth0", nullptr},
                    Case{"80:3000 on eth0", "80:3000 on eth0", nullptr},
                    Case{"80:3000 on eth0", "80:3000 on any", nullptr},
                    Case{"8000-8010:18000-18010 on eth0", "8005:18005 on eth0", nullptr},
                    Case{"8000-8010:18000-18010 on eth0", "8011:9000 on eth0", nullptr},
                    Case{"10.0.0.1:80:3000 on eth0", "10.0.0.2:80:4000 on eth0", nullptr}));

INSTANTIATE_TEST_SUITE_P(
    Loopback, Conflict,
    testing::Values(Case{"80:3000 on eth0", "80:4000 on wlan0", "127.0.0.1"},
                    Case{"127.0.0.1:80:3000 on eth0", "80:4000 on wlan0", "127.0.0.1"},
                    Case{"80:3000 on eth0", "80:4000 on wlan0 no-local", nullptr},
                    Case{"80:3000 on eth0 no-local", "80:4000 on wlan0", nullptr},
                    Case{"80:3000 on eth0", "80:3000 on wlan0", nullptr},
                    Case{"80:3000 on eth0", "10.0.0.1:80:4000 on wlan0", nullptr}));

INSTANTIATE_TEST_SUITE_P(
    Loops, Conflict,
    testing::Values(
        Case{"80:3000 on eth0", "3000:4000 on eth0", "port 3000/tcp would be the target"},
        Case{"3000:4000 on eth0", "80:3000 on eth0", "port 3000/tcp would be the target"},
        Case{"80:3000 on eth0", "3000:80 on eth0", "would be the target"},
        Case{"80:3000 on eth0", "3000:4000 on wlan0 no-local", "would be the target"},
        Case{"80:8005 on eth0", "8000-8010:18000-18010 on eth0", "port 8005/tcp"},
        Case{"80:3000 on eth0", "3000:4000/udp on eth0", nullptr},
        Case{"10.0.0.1:80:3000 on eth0", "10.0.0.2:3000:4000 on eth0", nullptr}));

TEST(Conflict, HintsAtTheWayOut) {
    PlacedRule a = placed("80:3000 on eth0");
    PlacedRule b = placed("80:4000 on eth0");
    PlacedRule c = placed("80:4000 on wlan0");
    auto hint = [&](const PlacedRule& added) {
        return check_conflicts(std::span(&a, 1), std::span(&added, 1)).error().hint;
    };
    EXPECT_THAT(hint(b), testing::HasSubstr("bpfport detach eth0 80:3000"));
    EXPECT_THAT(hint(c), testing::HasSubstr("--no-local"));
    PlacedRule both[] = {a, b};
    EXPECT_THAT(check_conflicts({}, both).error().hint,
                testing::Not(testing::HasSubstr("bpfport detach")));
}

TEST(Conflict, IdenticalRulesAreAlreadyThere) {
    PlacedRule there[] = {placed("80:3000 on eth0"), placed("53:5353/udp on any")};
    EXPECT_TRUE(already_there(there, placed("80:3000 on eth0")));
    EXPECT_TRUE(already_there(there, placed("53:5353/udp on any")));
    EXPECT_FALSE(already_there(there, placed("80:3000 on wlan0")));
    EXPECT_FALSE(already_there(there, placed("80:3000/udp on eth0")));
    EXPECT_FALSE(already_there(there, placed("80:3000 on eth0 no-local")));
    EXPECT_FALSE(already_there(there, placed("80:3000 on eth0 vlan")));
}

TEST(Warnings, NameUnreservedEphemeralPorts) {
    PortRange ephemeral{32768, 60999};
    PlacedRule low = placed("80:3000 on eth0");
    PlacedRule high = placed("80:40000 on eth0");
    PlacedRule range = placed("32760-32770:42000-42010 on eth0");
    EXPECT_TRUE(warnings(std::span(&low, 1), ephemeral, {}).empty());
    EXPECT_TRUE(warnings(std::span(&high, 1), ephemeral, {{40000, 40000}}).empty());

    PlacedRule rules[] = {low, high, range};
    auto found = warnings(rules, ephemeral, {{8080, 8080}, {42005, 42020}});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_THAT(found[0].message, testing::HasSubstr("32768-32770,40000,42000-42004"));
    EXPECT_THAT(found[0].message, testing::HasSubstr("80:40000, 32760-32770:42000-42010"));
    EXPECT_THAT(found[0].message, testing::Not(testing::HasSubstr("80:3000")));
    EXPECT_EQ(found[0].hint, "sysctl -w net.ipv4.ip_local_reserved_ports="
                             "8080,32768-32770,40000,42000-42020");
}

} // namespace
} // namespace bpfport
