// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Engines: what is chosen for a rule, and what a request for another engine changes in a plan.
#include "engine/choice.hpp"

#include <gtest/gtest.h>

#include <set>

#include "bpfport/listener.h"
#include "bpfport/meta.h"
#include "engine/plan.hpp"

namespace bpfport {

namespace {

Rule rule(const char* text) { return parse_rules(text).value().front(); }

AttachRequest request(const char* text, const char* engine) {
    AttachRequest request;
    request.scopes = {Scope::any()};
    request.rules = {rule(text)};
    request.engine = find_engine(engine);
    return request;
}

HostFacts host(SklookupSupport sklookup, std::vector<Interface> interfaces = {}) {
    HostFacts facts;
    facts.interfaces = std::move(interfaces);
    facts.sklookup = std::move(sklookup);
    return facts;
}

// `engine`: the word for --engine.
Result<ChosenEngine> choose(const char* engine, const RuleSpec& rule, const HostFacts& facts) {
    return choose_engine(find_engine(engine), rule, facts);
}

RuleSpec spec(const char* text, std::uint16_t flags = 0, std::uint8_t on_absent = 0,
              unsigned ifindex = 0) {
    return {0, rule(text), ifindex, 0, flags, on_absent, 0};
}

struct AutoCase {
    const char* name;
    RuleSpec rule;
    SklookupSupport sklookup;
    std::uint32_t engine;
};

class Auto : public testing::TestWithParam<AutoCase> {};

TEST_P(Auto, ChoosesAndSaysWhy) {
    Interface port;
    port.ifindex = 5;
    port.name = "eth0";
    port.master = 6;
    const std::vector<Interface> interfaces = {port};
    auto chosen = choose("auto", GetParam().rule, host(GetParam().sklookup, interfaces));
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->engine, GetParam().engine) << chosen->why;
    EXPECT_EQ(chosen->flags, chosen->engine == BP_ENGINE_SKLOOKUP ? BP_RULE_FALLBACK : 0);
    EXPECT_FALSE(chosen->why.empty());
    auto asked = choose("sklookup", GetParam().rule, host(GetParam().sklookup, interfaces));
    bool udp = GetParam().rule.rule.protocol() == Protocol::kUdp;
    EXPECT_EQ(asked.has_value(), udp || GetParam().engine == BP_ENGINE_SKLOOKUP);
    EXPECT_EQ(choose("tc", GetParam().rule, host({}, interfaces))->engine, BP_ENGINE_TC);
}

const SklookupSupport kAll{true, "", true};
const SklookupSupport kAnyOnly{true, "", false};
INSTANTIATE_TEST_SUITE_P(
    , Auto,
    testing::Values(
        AutoCase{"Tcp", spec("80:3000"), kAll, BP_ENGINE_SKLOOKUP},
        AutoCase{"OneInterface", spec("80:3000", 0, 0, 2), kAll, BP_ENGINE_SKLOOKUP},
        AutoCase{"OneInterfaceBefore517", spec("80:3000", 0, 0, 2), kAnyOnly, BP_ENGINE_TC},
        AutoCase{"AnyBefore517", spec("80:3000"), kAnyOnly, BP_ENGINE_SKLOOKUP},
        AutoCase{"BridgePort", spec("80:3000", 0, 0, 5), kAll, BP_ENGINE_TC},
        AutoCase{"OldKernel", spec("80:3000"), {}, BP_ENGINE_TC},
        AutoCase{"Udp", spec("80:3000/udp"), kAll, BP_ENGINE_TC},
        AutoCase{"Forwarded", spec("80:3000", BP_RULE_FORWARDED), kAll, BP_ENGINE_TC},
        AutoCase{"NoLocal", spec("80:3000", BP_RULE_NO_LOCAL), kAll, BP_ENGINE_TC},
        AutoCase{"Vlan", spec("80:3000", BP_RULE_VLAN), kAll, BP_ENGINE_TC},
        AutoCase{"Exclusive", spec("80:3000", BP_RULE_EXCLUSIVE), kAll, BP_ENGINE_TC},
        AutoCase{"AbsentDrop", spec("80:3000", 0, BP_ABSENT_DROP), kAll, BP_ENGINE_TC},
        AutoCase{"AbsentPass", spec("80:3000", 0, BP_ABSENT_PASS), kAll, BP_ENGINE_SKLOOKUP}),
    [](const auto& each) { return each.param.name; });

// getsockname(2) of connections can't be made to say the target port.
TEST(Choice, AutoChangesNothingThatProgramsSee) {
    const SklookupSupport no_name{true, "hook taken", true};
    auto chosen = choose("auto", spec("80:3000"), host(no_name));
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->engine, BP_ENGINE_TC);
    EXPECT_NE(chosen->why.find("getsockname() of its connections would say the listen port: hook "
                               "taken"),
              std::string::npos)
        << chosen->why;
    auto asked = choose("sklookup", spec("80:3000"), host(no_name));
    ASSERT_TRUE(asked);
    EXPECT_EQ(asked->engine, BP_ENGINE_SKLOOKUP);
    EXPECT_NE(asked->why.find("will say the listen port: hook taken"), std::string::npos);
    auto wanted = choose("auto", spec("80:3000", BP_RULE_SOCKNAME_LISTEN), host(no_name));
    ASSERT_TRUE(wanted);
    EXPECT_EQ(wanted->engine, BP_ENGINE_SKLOOKUP);
}

// --sockname listen is for the one engine whose connections are on the listen port.
TEST(Choice, SocknameListenNeedsSklookup) {
    const auto rule = spec("80:3000", BP_RULE_SOCKNAME_LISTEN);
    for (const char* engine : {"tc", "xdp"}) EXPECT_FALSE(choose(engine, rule, host(kAll)));
    auto vlan = rule;
    vlan.flags |= BP_RULE_VLAN;
    EXPECT_FALSE(choose("auto", vlan, host(kAll))) << "tc, and so refused";
}

TEST(Choice, EveryWordHasAChoiceOfItsOwn) {
    std::set<const Engine*> choices;
    for (const auto& word : engine_choices()) choices.insert(find_engine(word));
    EXPECT_EQ(choices.size(), engine_choices().size());
    EXPECT_TRUE(choices.contains(nullptr)) << "auto is none of them";
}

TEST(Choice, EveryEngineHasANameAndAText) {
    for (std::uint32_t engine :
         {BP_ENGINE_TC, BP_ENGINE_XDP, BP_ENGINE_SKLOOKUP, BP_ENGINE_CGROUP}) {
        EXPECT_STRNE(engine_name(engine), "unknown");
        EXPECT_STRNE(engine_of(engine).info().summary, "");
        EXPECT_STRNE(engine_of(engine).info().effect, "");
    }
}

TEST(Choice, AnotherEngineReplacesWithoutConflict) {
    RuleSpec there{7, rule("80:3000"), 0, BP_ENGINE_SKLOOKUP, 0, 0, 4000};
    auto plan = plan_attach(request("80:3000", "tc"), {there}, {});
    ASSERT_TRUE(plan) << plan.error().message;
    ASSERT_EQ(plan->replaced.size(), 1U);
    EXPECT_TRUE(plan->added.empty());
    EXPECT_EQ(plan->replaced[0].first.engine, BP_ENGINE_SKLOOKUP);
    const RuleSpec& now = plan->replaced[0].second;
    EXPECT_EQ(now.engine, BP_ENGINE_TC);
    EXPECT_EQ(now.id, 7) << "counters would begin anew";
    EXPECT_EQ(now.old_target_first, 4000) << "connections to the old target would be lost";
    ASSERT_EQ(plan->rules.size(), 1U);
    EXPECT_EQ(plan->rules[0].engine, BP_ENGINE_TC);
}

TEST(Choice, FromTcToSklookupItsConnectionsGoOn) {
    RuleSpec there{7, rule("80:3000"), 0, BP_ENGINE_TC, 0, 0, 0};
    HostFacts facts;
    facts.sklookup = kAll;
    auto plan = plan_attach(request("80:3000", "auto"), {there}, facts);
    ASSERT_TRUE(plan) << plan.error().message;
    ASSERT_EQ(plan->replaced.size(), 1U);
    EXPECT_EQ(plan->rules[0].engine, BP_ENGINE_SKLOOKUP);
    EXPECT_EQ(plan->rules[0].flags, BP_RULE_FALLBACK | BP_RULE_TC_FLOWS);
    auto again = plan_attach(request("80:3000", "auto"), plan->rules, facts);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->kept.size(), 1U);
    EXPECT_EQ(again->rules[0].flags, BP_RULE_FALLBACK | BP_RULE_TC_FLOWS);
}

TEST(Choice, TheSameEngineIsKept) {
    RuleSpec there{7, rule("80:3000"), 0, BP_ENGINE_TC, 0, 0, 0};
    auto plan = plan_attach(request("80:3000", "auto"), {there}, {});
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_EQ(plan->kept.size(), 1U);
    EXPECT_TRUE(plan->replaced.empty());
}

} // namespace

} // namespace bpfport
