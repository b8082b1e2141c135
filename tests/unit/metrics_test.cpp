// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Metrics, their way between processes, rates, and the lines of top: from snapshots made by hand.
#include "stats/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bpfport/meta.h"
#include "cli/listen_address.hpp"
#include "cli/top_view.hpp"
#include "stats/family_channel.hpp"
#include "stats/rates.hpp"

namespace bpfport {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

RuleView make_rule(const std::string& text, std::uint32_t engine, std::uint16_t id = 1) {
    RuleView status{{id, parse_rules(text)->front(), 2, engine}, "eth0", {}, {}, {}, {}, true};
    status.counters = {10, 1000, 20, 3'000'000'000'001, 3};
    status.open_connections = 2;
    return status;
}

std::string text_of(const Snapshot& snapshot, const Metrics::Labels& place = {}) {
    Metrics metrics;
    metrics.add(View{snapshot, {}, {}}, place);
    return metrics_text(metrics.families());
}

TEST(Metrics, RulesBeyondTheLimitAreSummed) {
    Snapshot snapshot;
    for (std::uint16_t i = 0; i < 5; ++i)
        snapshot.rules.push_back(make_rule(std::to_string(80 + i) + ":3000", BP_ENGINE_TC, i));
    snapshot.rules.push_back(make_rule("90:3000", BP_ENGINE_SKLOOKUP, 6));
    snapshot.rules.push_back(make_rule("53:5300/udp", BP_ENGINE_TC, 7));
    snapshot.rules[4].in_force = false;
    Metrics metrics(2);
    metrics.add(View{snapshot, {}, {}});
    const std::string text = metrics_text(metrics.families());
    const auto other = [](const char* protocol, const char* engine) {
        return fmt::format(R"({{rule="other",scope="other",protocol="{}",engine="{}")", protocol,
                           engine);
    };
    EXPECT_THAT(text, AllOf(HasSubstr(R"(rule="80:3000")"), HasSubstr(R"(rule="81:3000")"),
                            Not(HasSubstr(R"(rule="82:3000")")), Not(HasSubstr("90:3000"))));
    EXPECT_THAT(text,
                HasSubstr("bpfport_packets_total" + other("tcp", "tc") + R"(,direction="in"} 30)"));
    EXPECT_THAT(text, HasSubstr("bpfport_connections_total" + other("tcp", "tc") + "} 9"));
    EXPECT_THAT(text, HasSubstr("bpfport_rule_in_force" + other("tcp", "tc") + "} 0"));
    EXPECT_THAT(text, HasSubstr("bpfport_connections_total" + other("tcp", "sklookup") + "} 3"));
    EXPECT_THAT(text, Not(HasSubstr("bpfport_packets_total" + other("tcp", "sklookup"))));
    EXPECT_THAT(text, HasSubstr("bpfport_connections_total" + other("udp", "tc") + "} 3"));
    EXPECT_THAT(text, HasSubstr("bpfport_rules 7"));
}

TEST(Metrics, TellWhatTheEngineCounts) {
    Snapshot snapshot;
    snapshot.rules = {make_rule("80:3000", BP_ENGINE_TC)};
    const std::string labels = R"({rule="80:3000",scope="eth0",protocol="tcp",engine="tc")";
    EXPECT_THAT(
        text_of(snapshot),
        AllOf(HasSubstr("# TYPE bpfport_packets_total counter\n"),
              HasSubstr("bpfport_packets_total" + labels + R"(,direction="in"} 10)"),
              HasSubstr("bpfport_packets_total" + labels + R"(,direction="out"} 20)"),
              HasSubstr("bpfport_bytes_total" + labels + R"(,direction="out"} 3000000000001)"),
              HasSubstr("bpfport_connections_total" + labels + "} 3"),
              HasSubstr("bpfport_connections_open" + labels + "} 2"),
              HasSubstr("bpfport_target_up" + labels + "} 0"),
              HasSubstr("bpfport_rule_in_force" + labels + "} 1")));
    snapshot.rules = {make_rule("80:3000", BP_ENGINE_SKLOOKUP)};
    EXPECT_THAT(text_of(snapshot),
                AllOf(Not(HasSubstr("bpfport_packets_total")), Not(HasSubstr("bpfport_bytes")),
                      HasSubstr("bpfport_connections_total")));
    snapshot.rules = {make_rule("80:3000", BP_ENGINE_CGROUP)};
    snapshot.rules[0].cgroup = CgroupUse{.counters = {4, 0, 0}};
    EXPECT_THAT(text_of(snapshot), AllOf(Not(HasSubstr("bpfport_packets_total")),
                                         Not(HasSubstr("bpfport_connections")),
                                         HasSubstr(R"(call="bind",result="rewritten"} 4)")));
}

TEST(Metrics, AbsentIsNotZero) {
    Snapshot snapshot;
    snapshot.rules = {make_rule("53:5353/udp", BP_ENGINE_TC)};
    snapshot.rules[0].open_connections.reset();
    snapshot.rules[0].rule.flags = BP_RULE_FORWARDED;
    EXPECT_THAT(text_of(snapshot),
                AllOf(Not(HasSubstr("bpfport_connections_open")),
                      Not(HasSubstr("bpfport_target_up")), Not(HasSubstr("bpfport_program"))));
}

TEST(Metrics, ANewInterfaceOfTheSameNameIsOneSeries) {
    Snapshot snapshot;
    snapshot.hooks = {{"eth0", 2, "tcx", false, "", ""}, {"eth0", 5, "tcx", true, "", ""}};
    snapshot.unhooked = {"eth1"};
    EXPECT_THAT(text_of(snapshot),
                AllOf(HasSubstr(R"(bpfport_attachment_up{interface="eth0"} 1)"),
                      Not(HasSubstr(R"(bpfport_attachment_up{interface="eth0"} 0)")),
                      HasSubstr(R"(bpfport_attachment_up{interface="eth1"} 0)")));
}

TEST(Metrics, PlaceIsOnEverySeries) {
    Snapshot snapshot;
    snapshot.rules = {make_rule("80:3000", BP_ENGINE_TC)};
    snapshot.flows = {{"hints", 1, 2, 3}};
    snapshot.programs = {{"bp_tc_in", 5, 2'500'000'000}};
    const std::string text = text_of(snapshot, {{"netns", "7"}});
    EXPECT_THAT(text, HasSubstr(R"(bpfport_flows_stored_total{table="hints",netns="7"} 3)"));
    EXPECT_THAT(text, HasSubstr(R"(run_seconds_total{program="bp_tc_in",netns="7"} 2.5)"));
    EXPECT_THAT(text, HasSubstr(R"(engine="tc",netns="7",direction="in"} 10)"));
}

TEST(FamilyChannel, CarriesEverything) {
    Snapshot snapshot;
    snapshot.rules = {make_rule("80:3000", BP_ENGINE_TC), make_rule("[::1]:81:3001", BP_ENGINE_TC)};
    Metrics metrics;
    metrics.add(View{snapshot, {}, {}});
    auto decoded = decode(encode(metrics.families()));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(metrics_text(*decoded), metrics_text(metrics.families()));
    EXPECT_FALSE(decode("nonsense"));
    EXPECT_FALSE(decode(""));
    // What is no kind of metric: a number beyond every integer, one beyond the enumerators, a word.
    for (const nlohmann::json& type :
         {nlohmann::json(-4e39), nlohmann::json(77), nlohmann::json("x")}) {
        const auto bytes =
            nlohmann::json::to_cbor({{"name", "help", type, nlohmann::json::array()}});
        EXPECT_FALSE(decode(std::string(bytes.begin(), bytes.end()))) << type;
    }
}

Sample sample(std::vector<RuleView> rules, int second) {
    Snapshot snapshot;
    snapshot.rules = std::move(rules);
    return {View{snapshot, {}, {}},
            std::chrono::steady_clock::time_point(std::chrono::seconds(second))};
}

TEST(Rates, AreDifferencesByTime) {
    auto before = make_rule("80:3000", BP_ENGINE_TC);
    auto after = before;
    after.counters.packets_in += 30;
    auto rules = activity(sample({before}, 10), sample({after}, 12));
    ASSERT_EQ(rules.size(), 1U);
    EXPECT_EQ(rules[0].rates.packets_in, 15);
    EXPECT_EQ(rules[0].rates.bytes_in, 0);
    EXPECT_EQ(rules[0].counts.packets_in, 40U);
}

TEST(Rates, ANewRuleHasNone) {
    auto old = make_rule("80:3000", BP_ENGINE_TC);
    auto fresh = make_rule("81:3000", BP_ENGINE_TC);
    EXPECT_FALSE(activity(sample({old}, 1), sample({fresh}, 2))[0].rates.packets_in);
    EXPECT_FALSE(activity(Sample{}, sample({fresh}, 2))[0].rates.packets_in);
    EXPECT_TRUE(activity(sample({old}, 1), Sample{}).empty());
}

TEST(Rates, ACounterThatWentBackBeganAnew) {
    auto old = make_rule("80:3000", BP_ENGINE_TC);
    auto fresh = old;
    fresh.counters.packets_in = 4;
    EXPECT_EQ(activity(sample({old}, 1), sample({fresh}, 2))[0].rates.packets_in, 4);
}

std::vector<RuleActivity> three_rules() {
    std::vector<RuleActivity> rules;
    for (double rate : {5.0, 50.0, 0.0}) {
        RuleActivity one;
        one.scope = "eth0";
        one.rule = std::to_string(80 + rules.size()) + ":3000";
        if (rate > 0) one.rates.packets_in = rate;
        rules.push_back(one);
    }
    return rules;
}

// The rules in the order shown.
std::vector<std::string> shown(TopView& view, std::size_t width, std::size_t height) {
    std::vector<std::string> rules;
    auto lines = view.lines(three_rules(), width, height);
    for (std::size_t i = 1; i < lines.size(); i++) rules.push_back(lines[i].substr(11, 2));
    return rules;
}

TEST(TopView, SortsTheBusiestFirstAndTheUnknownLast) {
    TopView view;
    EXPECT_THAT(shown(view, 80, 24), ElementsAre("81", "80", "82"));
    view.reverse();
    EXPECT_THAT(shown(view, 80, 24), ElementsAre("82", "80", "81"));
    view.reverse();
    view.sort_by_previous();
    view.sort_by_previous();
    EXPECT_EQ(view.sorted_by(), "RULE");
    EXPECT_THAT(shown(view, 80, 24), ElementsAre("80", "81", "82"));
}

TEST(TopView, FitsAnyTerminal) {
    for (std::size_t width = 1; width < 140; width++)
        for (std::size_t height = 0; height < 8; height++) {
            TopView view;
            view.scroll(2);
            auto lines = view.lines(three_rules(), width, height);
            EXPECT_LE(lines.size(), height);
            for (const auto& line : lines) EXPECT_LE(line.size(), width);
        }
}

TEST(TopView, ScrollsNoFurtherThanThereIs) {
    TopView view;
    view.scroll(100);
    EXPECT_THAT(shown(view, 80, 3), ElementsAre("80", "82"));
    view.scroll(-1);
    EXPECT_THAT(shown(view, 80, 3), ElementsAre("81", "80"));
    view.scroll(-100);
    EXPECT_THAT(shown(view, 80, 3), ElementsAre("81", "80"));
}

TEST(ListenAddress, IsReadAsWritten) {
    for (const char* text : {"127.0.0.1:9880", "[::1]:9880", "0.0.0.0:0"}) {
        auto address = ListenAddress::parse(text);
        ASSERT_TRUE(address) << text;
        EXPECT_EQ(address->text(), text);
    }
    for (const char* text : {"9880", "::1:9880", "[127.0.0.1]:9880", "localhost:9880",
                             "1.2.3.4:", "1.2.3.4:70000", "", ":80", "[]:80"}) {
        auto address = ListenAddress::parse(text);
        ASSERT_FALSE(address) << text;
        EXPECT_EQ(address.error().fault, Fault::kUsage);
    }
}

} // namespace
} // namespace bpfport
