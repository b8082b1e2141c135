// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The registry of engines, and that docs/engines.md says the same of each.
#include <fstream>
#include <iterator>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/registry.hpp"

namespace bpfport {
namespace {

TEST(Engines, HaveIdsAndNamesOfTheirOwn) {
    std::set<std::uint32_t> ids;
    std::set<std::string> names;
    for (const Engine* engine : engines()) {
        EXPECT_TRUE(ids.insert(engine->info().id).second) << engine->info().name;
        EXPECT_TRUE(names.insert(engine->info().name).second) << engine->info().name;
        EXPECT_EQ(&engine_of(engine->info().id), engine);
        EXPECT_EQ(find_engine(engine->info().name), engine->on_cgroups() ? nullptr : engine);
    }
    EXPECT_FALSE(ids.contains(0));
    EXPECT_EQ(find_engine("auto"), nullptr);
    EXPECT_STREQ(engine_name(4711), "unknown");
}

// Whatever the rule, the last one that auto asks can serve it, or says why not.
TEST(Engines, NoneServesWhatItsOptionsLeaveOut) {
    const std::pair<std::uint16_t, EngineOption> flags[] = {{BP_RULE_FORWARDED, kOptionForwarded},
                                                            {BP_RULE_VLAN, kOptionVlan},
                                                            {BP_RULE_NO_LOCAL, kOptionNoLocal},
                                                            {BP_RULE_EXCLUSIVE, kOptionExclusive}};
    HostFacts facts;
    facts.sklookup = {true, {}, true};
    for (const Engine* engine : engines()) {
        if (engine->on_cgroups()) continue;
        for (auto [flag, option] : flags) {
            const RuleSpec rule{0, parse_rules("80:3000")->front(), 0, engine->info().id, flag, 0,
                                0};
            EXPECT_EQ(engine->why_not(rule, facts).has_value(), !engine->takes(option))
                << engine->info().name << " " << fmt::format("{}", option_names(option));
        }
        RuleSpec drop{0, parse_rules("80:3000")->front(), 0, engine->info().id, 0, BP_ABSENT_DROP,
                      0};
        EXPECT_EQ(engine->why_not(drop, facts).has_value(), !engine->takes(kOptionOnAbsentDrop));
    }
}

std::string row_of(const EngineInfo& info) {
    auto options = option_names(info.options);
    for (auto& option : options) option = "`" + option + "`";
    return fmt::format("| {} | {} | {} | {} | {} |\n", info.name,
                       info.scope == EngineScope::kCgroup ? "a cgroup" : "an interface, `any`",
                       info.summary, fmt::join(options, " "),
                       fmt::join(count_names(info.counts), ", "));
}

TEST(Engines, TheDocumentationHasTheRegistrysTable) {
    std::ifstream file(BPFPORT_SOURCE "/docs/engines.md");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    std::string table;
    for (const Engine* engine : engines()) table += row_of(engine->info());
    EXPECT_THAT(text, testing::HasSubstr("|---|---|---|---|---|\n" + table + "\n"))
        << "docs/engines.md should have\n"
        << table;
}

} // namespace
} // namespace bpfport
