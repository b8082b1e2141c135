// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Which rules may hold together. A case is written "RULE on SCOPE [flags]"; any is ifindex 0.
#include "rule/conflict.hpp"

#include <random>
#include <sstream>

#include <fmt/format.h>
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

// What pairs don't show.
TEST(Shares, AreCheckedAsAWhole) {
    std::vector<PlacedRule> rules{placed("80:3000*0 on eth0"), placed("80:4000*0 on eth0")};
    auto checked = check_conflicts({}, rules);
    ASSERT_FALSE(checked);
    EXPECT_THAT(checked.error().message,
                testing::HasSubstr("every target of the listen port has weight 0"));
    rules.push_back(placed("80:5000*1 on eth0"));
    EXPECT_TRUE(check_conflicts({}, rules));
    EXPECT_TRUE(check_conflicts(rules, std::vector{placed("80:3000*1 on eth1 no-local")}))
        << "another interface, and none of 127.0.0.1";
    for (unsigned port = 5001; port < 5014; port++)
        rules.push_back(placed(fmt::format("80:{}*1 on eth0", port)));
    EXPECT_TRUE(check_conflicts({}, rules)) << rules.size();
    checked = check_conflicts(rules, std::vector{placed("80:6000*1 on eth0")});
    ASSERT_FALSE(checked);
    EXPECT_THAT(checked.error().message, testing::HasSubstr("17 targets share"));
}

INSTANTIATE_TEST_SUITE_P(
    Targets, Conflict,
    testing::Values(
        Case{"80:3000 on eth0", "80:4000 on eth0", "listen port 80/tcp already goes"},
        Case{"80:3000*1 on eth0", "80:4000*1 on eth0", nullptr},
        Case{"80:3000*1 on eth0", "80:4000*0 on eth0", nullptr},
        Case{"80:3000*1 on eth0", "80:4000 on eth0", "listen port 80/tcp already goes"},
        Case{"80:3000*1 on eth0", "80:4000*1@10.0.0.1 on eth0", nullptr},
        Case{"80-90:3000-3010*1 on eth0", "80-90:3010-3020*1 on eth0", "targets overlap"},
        Case{"80-90:3000-3010*1 on eth0", "85-95:4000-4010*1 on eth0", "already go"},
        Case{"80:3000*1 on eth0", "80:3000*1 on eth1", nullptr},
        Case{"80:3000*1 on eth0", "80:3000*2 on eth1", "other targets or weights"},
        Case{"80:3000*1 on eth0", "80:4000*1 on eth1", "other targets or weights"},
        Case{"80:3000*1 on eth0", "80:4000*1 on eth1 no-local", nullptr},
        Case{"80:3000*1 on any", "80:4000*1 on eth1", nullptr},
        Case{"80:3000@10.0.0.0/8 on eth0", "80:4000 on eth0", nullptr},
        Case{"80:3000@10.0.0.0/8 on eth0", "80:4000@10.1.0.0/16 on eth0", nullptr},
        Case{"80:3000@10.0.0.0/8 on eth0", "80:4000@-10.0.0.0/8 on eth0", nullptr},
        Case{"80:3000@-10.0.0.0/8 on eth0", "80:4000 on eth0", nullptr},
        Case{"80:3000@10.0.0.0/8,::1 on eth0", "80:4000@::1 on eth0", "already goes"},
        Case{"80:3000@-10.0.0.0/8 on eth0", "80:4000@-::1 on eth0", "already goes"},
        Case{"80:3000@10.0.0.0/8 on eth0", "80:3000@10.0.0.0/8,::1 on eth0", nullptr},
        Case{"80:3000@10.0.0.0/8 on eth0", "8000:80@::1 on eth0", "would be the target of"},
        Case{"80:3000 on any", "80:4000 on any", "already goes"},
        Case{"10.0.0.1:80:3000 on eth0", "10.0.0.1:80:4000 on eth0", "already goes"},
        Case{"10.0.0.0/8:80:3000 on any", "10.0.0.0/8:80:4000 on any", "already goes"},
        Case{"8000-8010:18000-18010 on eth0", "8005-8020:28005-28020 on eth0",
             "listen ports 8005-8010/tcp already go"},
        Case{"8000-8010:=3000 on eth0", "8000-8010:=3001 on eth0", "already go to"},
        Case{"8000-8010:=18000 on eth0", "8000-8010:18000-18010 on eth0",
             "ports 8000-8010/tcp already go"},
        Case{"8000-8010:=3000 on eth0", "8010-8020:=3001 on eth0", "port 8010/tcp already goes"},
        Case{"8000-8010:=3000 on eth0", "8010-8020:=3000 on eth0", nullptr},
        Case{"80:3000 on eth0", "80:4000/udp on eth0", nullptr},
        Case{"80:3000 on eth0", "443:3000 on eth0", nullptr},
        Case{"80:3000 on eth0", "80:3000 on eth0", nullptr},
        Case{"80:3000 on eth0", "80:3000 on any", nullptr},
        Case{"8000-8010:18000-18010 on eth0", "8005:18005 on eth0", nullptr},
        Case{"8000-8010:18000-18010 on eth0", "8011:9000 on eth0", nullptr},
        Case{"10.0.0.1:80:3000 on eth0", "10.0.0.2:80:4000 on eth0", nullptr}));

INSTANTIATE_TEST_SUITE_P(
    MostSpecificWins, Conflict,
    testing::Values(Case{"80:3000 on any", "80:4000 on eth0", nullptr},
                    Case{"10.0.0.1:80:3000 on any", "80:4000 on eth0", nullptr},
                    Case{"80:3000 on eth0", "10.0.0.1:80:4000 on eth0", nullptr},
                    Case{"10.0.0.0/8:80:3000 on eth0", "10.0.0.1:80:4000 on eth0", nullptr},
                    Case{"10.0.0.0/8:80:3000 on eth0", "10.0.0.0/9:80:4000 on eth0", nullptr},
                    Case{"[2001:db8::/32]:80:3000 on any", "[2001:db8::1]:80:4000 on any", nullptr},
                    // The prefix comes before the range: its ranges may overlap as they will.
                    Case{"10.0.0.0/8:8000-8010:=3000 on eth0", "8005-8020:=4000 on eth0", nullptr},
                    Case{"8000-8010:18000-18010 on eth0", "8005:9000 on eth0", nullptr},
                    Case{"8000-8010:18000-18010 on eth0", "8000-8009:9000-9009 on eth0", nullptr},
                    Case{"1-1023:=3000 on any", "80:4000 on any", nullptr}));

INSTANTIATE_TEST_SUITE_P(
    Loopback, Conflict,
    testing::Values(Case{"80:3000 on eth0", "80:4000 on wlan0", "127.0.0.1"},
                    Case{"127.0.0.1:80:3000 on eth0", "127.0.0.1:80:4000 on wlan0", "127.0.0.1"},
                    Case{"127.0.0.0/8:80:3000 on eth0", "127.0.0.0/8:80:4000 on wlan0",
                         "127.0.0.1"},
                    Case{"0.0.0.0/0:80:3000 on eth0", "0.0.0.0/0:80:4000 on wlan0", "127.0.0.1"},
                    Case{"127.0.0.1:80:3000 on eth0", "80:4000 on wlan0", nullptr},
                    Case{"8000-8010:=3000 on eth0", "8005:4000 on wlan0", nullptr},
                    Case{"8000-8010:=3000 on eth0", "8005-8020:=4000 on wlan0", "127.0.0.1"},
                    Case{"80:3000 on eth0", "80:4000 on wlan0 no-local", nullptr},
                    Case{"80:3000 on eth0 no-local", "80:4000 on wlan0", nullptr},
                    Case{"80:3000 on eth0", "80:3000 on wlan0", nullptr},
                    Case{"80:3000 on eth0", "10.0.0.1:80:4000 on wlan0", nullptr},
                    Case{"10.0.0.1:80:3000 on eth0", "10.0.0.1:80:4000 on wlan0", nullptr}));

INSTANTIATE_TEST_SUITE_P(
    Loops, Conflict,
    testing::Values(
        Case{"80:3000 on eth0", "3000:4000 on eth0", "port 3000/tcp would be the target"},
        Case{"3000:4000 on eth0", "80:3000 on eth0", "port 3000/tcp would be the target"},
        Case{"80:3000 on eth0", "3000:80 on eth0", "would be the target"},
        Case{"80:3000 on eth0", "3000:4000 on wlan0 no-local", "would be the target"},
        Case{"80:8005 on eth0", "8000-8010:18000-18010 on eth0", "port 8005/tcp"},
        Case{"80:3000 on eth0", "3000:4000/udp on eth0", nullptr},
        Case{"80-90:=3000 on eth0", "3000:4000 on eth0", "port 3000/tcp would be the target"},
        Case{"10.0.0.0/8:80:3000 on eth0", "10.0.0.2:3000:4000 on wlan0", "would be the target"},
        Case{"10.0.0.0/9:80:3000 on eth0", "10.128.0.0/9:3000:4000 on eth0", nullptr},
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

// What conflicts, spelled out port by port.
bool contradict(const PlacedRule& a, const PlacedRule& b) {
    const Rule &left = a.rule, &right = b.rule;
    const bool overlap = !left.local() || !right.local() || left.local()->overlaps(*right.local());
    const bool loopback = a.ifindex && b.ifindex && !a.no_local && !b.no_local &&
                          (!left.local() || left.local()->has_loopback());
    bool common = false, only_left = false, only_right = false, differ = false, loop = false;
    for (unsigned port = 1; port < 32; ++port) {
        const auto p = static_cast<std::uint16_t>(port);
        const bool l = left.listen().contains(p), r = right.listen().contains(p);
        common |= l && r;
        only_left |= l && !r;
        only_right |= r && !l;
        differ |= l && r && left.target_of(p) != right.target_of(p);
        loop |= (l && right.target().contains(p)) || (r && left.target().contains(p));
    }
    const bool narrower = only_left != only_right;
    const bool told_apart = left.local() != right.local() || (a.ifindex != b.ifindex && !loopback);
    return (common && differ && !narrower && !told_apart) || (loop && overlap);
}

// Over rules that are drawn so that many overlap.
TEST(Conflict, TheIndexFindsWhatAllPairsHave) {
    std::mt19937 random(1);
    auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
    const char* prefixes[] = {"", "10.0.0.1:", "10.0.0.0/8:", "127.0.0.1:", "[fd00::/8]:"};
    const char* scopes[] = {"any", "eth0", "wlan0"};
    auto draw = [&]() -> std::optional<PlacedRule> {
        const unsigned first = 1 + below(12), size = 1 + below(3), target = 12 + below(8);
        const auto rule = fmt::format("{}{}-{}:{}{}", prefixes[below(5)], first, first + size - 1,
                                      below(2) ? "=" : "", target);
        const auto whole =
            rule.find('=') == rule.npos ? fmt::format("{}-{}", rule, target + size - 1) : rule;
        if (!parse_rules(whole)) return std::nullopt; // its target is a listen port of its own
        return placed(
            fmt::format("{} on {}{}", whole, scopes[below(3)], below(4) ? "" : " no-local"));
    };
    unsigned refused = 0, allowed = 0;
    for (int round = 0; round < 5000; ++round) {
        std::vector<PlacedRule> rules;
        for (unsigned count = 2 + below(3); rules.size() < count;)
            if (auto rule = draw()) rules.push_back(*rule);
        const std::size_t split = below(static_cast<unsigned>(rules.size()));
        bool expected = false;
        for (std::size_t i = split; i < rules.size(); ++i)
            for (std::size_t j = 0; j < i; ++j) expected |= contradict(rules[i], rules[j]);
        const std::span all(rules);
        const auto checked = check_conflicts(all.first(split), all.subspan(split));
        std::string text;
        for (const auto& rule : rules)
            text += rule.to_string() + (rule.no_local ? " no-local; " : "; ");
        ASSERT_EQ(!checked, expected) << text << split;
        (expected ? refused : allowed)++;
    }
    EXPECT_GT(refused, 300U);
    EXPECT_GT(allowed, 500U);
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
