// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Engines: what is chosen for a rule, and what a request for another engine changes in a plan.
#include "engine/choice.hpp"

#include <gtest/gtest.h>

#include <set>

#include "bpfport/meta.h"
#include "engine/plan.hpp"

namespace bpfport {

namespace {

Rule rule(const char* text) { return parse_rules(text).value().front(); }

AttachRequest request(const char* text, EngineChoice engine) {
    AttachRequest request;
    request.scopes = {Scope::any()};
    request.rules = {rule(text)};
    request.engine = engine;
    return request;
}

TEST(Choice, AutoIsTc) {
    auto chosen = choose_engine(EngineChoice::kAuto, rule("80:3000"));
    ASSERT_TRUE(chosen);
    EXPECT_EQ(chosen->engine, BP_ENGINE_TC);
    EXPECT_FALSE(chosen->why.empty());
}

TEST(Choice, EveryWordHasAChoiceOfItsOwn) {
    std::set<EngineChoice> choices;
    for (const auto& word : engine_choices()) choices.insert(parse_engine_choice(word));
    EXPECT_EQ(choices.size(), engine_choices().size());
}

TEST(Choice, EveryEngineHasANameAndAText) {
    for (std::uint32_t engine : {BP_ENGINE_TC, BP_ENGINE_XDP, BP_ENGINE_SKLOOKUP,
                                 BP_ENGINE_CGROUP}) {
        EXPECT_STRNE(engine_name(engine), "unknown");
        EXPECT_STRNE(engine_text(engine), "");
    }
}

TEST(Choice, AnotherEngineReplacesWithoutConflict) {
    InstalledRule there{7, rule("80:3000"), 0, BP_ENGINE_SKLOOKUP, 0, 0, 4000};
    auto plan = plan_attach(request("80:3000", EngineChoice::kTc), {there}, {});
    ASSERT_TRUE(plan) << plan.error().message;
    ASSERT_EQ(plan->replaced.size(), 1U);
    EXPECT_TRUE(plan->added.empty());
    EXPECT_EQ(plan->replaced[0].first.engine, BP_ENGINE_SKLOOKUP);
    const InstalledRule& now = plan->replaced[0].second;
    EXPECT_EQ(now.engine, BP_ENGINE_TC);
    EXPECT_EQ(now.id, 7) << "counters would begin anew";
    EXPECT_EQ(now.old_target_first, 4000) << "connections to the old target would be lost";
    ASSERT_EQ(plan->rules.size(), 1U);
    EXPECT_EQ(plan->rules[0].engine, BP_ENGINE_TC);
}

TEST(Choice, TheSameEngineIsKept) {
    InstalledRule there{7, rule("80:3000"), 0, BP_ENGINE_TC, 0, 0, 0};
    auto plan = plan_attach(request("80:3000", EngineChoice::kAuto), {there}, {});
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_EQ(plan->kept.size(), 1U);
    EXPECT_TRUE(plan->replaced.empty());
}

} // namespace

} // namespace bpfport
