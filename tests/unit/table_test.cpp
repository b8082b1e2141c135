// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The rule table: what a side says of each port, that rules come back as they were written, and that
// a change is one flip. On memory files instead of BPF maps.
#include "state/table.hpp"

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "bpfport/meta.h"
#include "engine/registry.hpp"
#include "table_memory.hpp"

namespace bpfport {
namespace {

RuleSpec rule(std::string_view text, std::uint16_t id = 0, unsigned ifindex = 0,
              std::uint16_t flags = 0) {
    return {id, parse_rules(text)->front(), ifindex, BP_ENGINE_TC, flags, BP_ABSENT_RESET, 0};
}

bp_rule raw(const TableSide& side, std::uint16_t id) {
    for (const auto& [known, raw] : side.rules)
        if (known == id) return raw;
    ADD_FAILURE() << "no rule " << id;
    return {};
}

TEST(TableSide, PortsOfARule) {
    const auto side = build_side({rule("80:3000", 7)}, slot_bits);
    const auto& ports = (*side.ports)[BP_TCP];
    EXPECT_EQ(ports[80], 7) << "the only rule, so no set";
    EXPECT_EQ(ports[3000], BP_PORT_TARGET);
    EXPECT_EQ((*side.ports)[BP_UDP][80], 0);
    EXPECT_EQ(std::ranges::count_if(ports, [](auto slot) { return slot != 0; }), 2);
}

TEST(TableSide, Ranges) {
    const auto side = build_side({rule("8000-8002:18000-18002/udp", 1)}, slot_bits);
    const auto& ports = (*side.ports)[BP_UDP];
    for (unsigned i = 0; i < 3; ++i) {
        EXPECT_EQ(ports[8000 + i], 1);
        EXPECT_EQ(ports[18000 + i], BP_PORT_TARGET);
    }
    EXPECT_EQ(ports[8003], 0);
    EXPECT_EQ(ports[18003], 0);
    EXPECT_EQ(raw(side, 1).listen_first, 8000);
    EXPECT_EQ(raw(side, 1).target_first, 18000);
}

TEST(TableSide, PortsWithTheSameRulesShareASet) {
    const auto side =
        build_side({rule("1000-1999:11000-11999", 1), rule("192.0.2.1:1000-1999:21000-21999", 2),
                    rule("192.0.2.1:2000:12000", 3)},
                   slot_bits);
    const auto& ports = (*side.ports)[BP_TCP];
    EXPECT_NE(ports[1000] & BP_PORT_SEARCH, 0);
    EXPECT_EQ(ports[1000], ports[1999]);
    EXPECT_NE(ports[2000] & BP_PORT_SEARCH, 0);
    EXPECT_NE(ports[1000], ports[2000]);
}

TEST(TableSide, FlagsOfTargets) {
    auto exclusive = rule("80:3000", 1, 0, BP_RULE_EXCLUSIVE);
    auto dropping = rule("81:3001", 2, 0, BP_RULE_EXCLUSIVE);
    dropping.on_absent = BP_ABSENT_DROP;
    const auto side =
        build_side({exclusive, dropping, rule("82:3002", 3, 0, BP_RULE_FORWARDED)}, slot_bits);
    const auto& ports = (*side.ports)[BP_TCP];
    EXPECT_EQ(ports[3000], BP_PORT_TARGET | BP_PORT_EXCLUSIVE);
    EXPECT_EQ(ports[3001], BP_PORT_TARGET | BP_PORT_EXCLUSIVE_DROP);
    EXPECT_EQ(ports[3002], BP_PORT_TARGET | BP_PORT_FORWARDED);
}

// Those of on_absent and draining are asked anew for each SYN.
TEST(TableSide, CarefulRules) {
    auto absent = rule("81:3001", 2);
    absent.on_absent = BP_ABSENT_PASS;
    const auto side = build_side(
        {rule("80:3000", 1), absent, rule("82:3002", 3, 0, BP_RULE_DRAINING)}, slot_bits);
    EXPECT_EQ(raw(side, 1).flags & BP_RULE_RECHECK, 0);
    EXPECT_NE(raw(side, 2).flags & BP_RULE_RECHECK, 0);
    EXPECT_NE(raw(side, 3).flags & BP_RULE_RECHECK, 0);
}

// Replies of connections that stay with the old target are still looked at.
TEST(TableSide, TheOldTarget) {
    auto changed = rule("80-81:4000-4001", 1);
    changed.old_target_first = 3000;
    const auto side = build_side({changed}, slot_bits);
    for (const unsigned port : {3000U, 3001U, 4000U, 4001U})
        EXPECT_EQ((*side.ports)[BP_TCP][port], BP_PORT_TARGET) << port;
    EXPECT_EQ(raw(side, 1).old_target_first, 3000);
}

class TableInMemory : public testing::Test {
  protected:
    explicit TableInMemory(TableCapacity capacity = {}) : maps_(memory_maps(capacity)) {}
    Table open(bool writable = true) {
        auto table = Table::open(maps_, writable);
        EXPECT_TRUE(table);
        return std::move(*table);
    }
    static Result<void> install(Table& table, std::vector<RuleSpec>& rules) {
        auto change = table.plan(rules, slot_bits);
        if (!change) return std::unexpected(change.error());
        return table.commit(*change);
    }
    TableMaps maps_;
};

// As bpf/lib/rules.h does, which prog_tests run: the interface comes before the address; whose rules
// clients on lo take, and who is left out.
TEST_F(TableInMemory, TheRuleOfAPacket) {
    constexpr unsigned kLo = 1, kEth0 = 2, kEth1 = 3;
    Table table = open();
    std::vector<RuleSpec> rules{rule("80:3000", 1, kEth0),
                                rule("80:3001", 2, kEth1),
                                rule("10.1.0.2:80:3002", 3),
                                rule("81:3000", 4, 0, BP_RULE_NO_LOCAL),
                                rule("82:3000", 5, kLo, BP_RULE_NO_LOCAL),
                                rule("83:3000/udp", 6),
                                rule("10.1.0.2:80:3003", 7, kEth1),
                                rule("84:3000", 8, kEth0)};
    ASSERT_TRUE(install(table, rules));
    const auto address = [](const char* text) { return *parse_address(text); };
    const auto find = [&](std::uint16_t port, unsigned ifindex, const char* local,
                          unsigned owner = 0, Protocol protocol = Protocol::kTcp) {
        return table.find({protocol, port, address(local), ifindex, owner});
    };
    EXPECT_EQ(find(80, kEth0, "10.1.0.1"), 1);
    EXPECT_EQ(find(80, kEth1, "10.1.0.1"), 2);
    EXPECT_EQ(find(80, 4, "10.1.0.1"), 0) << "another interface has no rule";
    EXPECT_EQ(find(80, 4, "10.1.0.2"), 3) << "but for this address";
    EXPECT_EQ(find(80, kEth0, "10.1.0.2"), 1) << "a rule of this interface comes first";
    EXPECT_EQ(find(80, kEth1, "10.1.0.2"), 7) << "then the address";
    EXPECT_EQ(find(80, kLo, "10.1.0.1", kEth0), 1) << "the interface that has the address";
    EXPECT_EQ(find(80, kLo, "10.2.0.1", kEth1), 2);
    EXPECT_EQ(find(80, kLo, "10.1.0.2", 4), 3) << "an interface without rules";
    EXPECT_EQ(find(80, kLo, "127.0.0.1", kEth1), 1) << "every interface's";
    EXPECT_EQ(find(81, kEth0, "10.1.0.1"), 4);
    EXPECT_EQ(find(81, kLo, "10.1.0.1", kEth0), 0) << "--no-local";
    EXPECT_EQ(find(82, kLo, "127.0.0.1"), 5) << "of lo itself";
    EXPECT_EQ(find(83, kEth0, "10.1.0.1"), 0);
    EXPECT_EQ(find(83, kEth0, "10.1.0.1", 0, Protocol::kUdp), 6);
    EXPECT_EQ(find(84, kEth0, "10.1.0.1"), 8);
    EXPECT_EQ(find(84, kEth1, "10.1.0.1"), 0);
    EXPECT_EQ(find(84, kLo, "10.1.0.1", kEth1), 0);
    EXPECT_EQ(find(84, kLo, "10.1.0.1", kEth0), 8);
    EXPECT_EQ(find(84, kLo, "127.0.0.1"), 8);
    EXPECT_EQ(find(3000, kEth0, "10.1.0.1"), 0) << "a target is no listen port";
}

TEST_F(TableInMemory, AnyNumberOfRulesOnAPort) {
    std::vector<RuleSpec> rules;
    for (unsigned i = 0; i < 256; ++i)
        rules.push_back(rule(fmt::format("192.0.2.{}:80:{}", i, 3000 + i)));
    Table table = open();
    ASSERT_TRUE(install(table, rules));
    for (unsigned i = 0; i < 256; ++i)
        EXPECT_EQ(
            table.find({Protocol::kTcp, 80, *parse_address(fmt::format("192.0.2.{}", i)), 2, 0}),
            rules[i].id);
    EXPECT_EQ(table.find({Protocol::kTcp, 80, *parse_address("192.0.3.0"), 2, 0}), 0);
    EXPECT_EQ(table.find({Protocol::kTcp, 80, *parse_address("192.0.1.255"), 2, 0}), 0);
    EXPECT_EQ(table.find({Protocol::kTcp, 80, *parse_address("2001:db8::1"), 2, 0}), 0);
}

TEST_F(TableInMemory, RulesComeBack) {
    std::vector<RuleSpec> rules{rule("80:3000", 0, 3, BP_RULE_VLAN | BP_RULE_EXCLUSIVE),
                                rule("[2001:db8::1]:8000-8010:18000-18010/udp"),
                                rule("192.0.2.1:1-79:40001-40079")};
    rules[1].on_absent = BP_ABSENT_DROP;
    rules[2].old_target_first = 30001;
    Table table = open();
    EXPECT_THAT(table.rules(), testing::IsEmpty());
    ASSERT_TRUE(install(table, rules));
    const auto back = open(false).rules();
    ASSERT_EQ(back.size(), rules.size());
    for (std::size_t i = 0; i < rules.size(); ++i) {
        EXPECT_EQ(back[i].id, rules[i].id);
        EXPECT_EQ(back[i].rule, rules[i].rule);
        EXPECT_EQ(back[i].ifindex, rules[i].ifindex);
        EXPECT_EQ(back[i].engine, rules[i].engine);
        EXPECT_EQ(back[i].flags, rules[i].flags);
        EXPECT_EQ(back[i].on_absent, rules[i].on_absent);
        EXPECT_EQ(back[i].old_target_first, rules[i].old_target_first);
    }
}

// The id of a rule that is gone is the last to be given out again: who still counts under it does
// not count for another.
TEST_F(TableInMemory, IdsAreReusedLate) {
    Table table = open();
    std::uint16_t last = 0;
    for (int round = 0; round < 2 * BP_MIN_RULES; ++round) {
        std::vector<RuleSpec> rules{rule("80:3000")};
        ASSERT_TRUE(install(table, rules));
        EXPECT_EQ(rules[0].id, last % (BP_MIN_RULES - 1) + 1);
        last = rules[0].id;
    }
    std::vector<RuleSpec> both = table.rules();
    both.push_back(rule("81:3001"));
    ASSERT_TRUE(install(table, both));
    EXPECT_EQ(both[0].id, last) << "a rule keeps its id";
}

// Two sets of rules hold when one replaces the other: no id is in both.
TEST_F(TableInMemory, CapacityFollowsTheRules) {
    std::vector<RuleSpec> rules;
    for (unsigned i = 1; i < BP_MIN_RULES; ++i)
        rules.push_back(rule(fmt::format("{}:{}", i, 10000 + i)));
    Table table = open();
    const auto planned = table.plan(rules, slot_bits);
    ASSERT_TRUE(planned);
    EXPECT_EQ(planned->capacity.rules, BP_MIN_RULES);
    EXPECT_EQ(planned->new_ids.size(), rules.size());
    ASSERT_TRUE(table.commit(*planned));
    EXPECT_EQ(table.plan(rules, slot_bits)->capacity.rules, BP_MIN_RULES) << "they have ids";
    auto more = rules;
    more.push_back(rule("9000:19000"));
    const auto larger = table.plan(more, slot_bits);
    ASSERT_TRUE(larger);
    EXPECT_EQ(larger->capacity.rules, 2 * BP_MIN_RULES);
    EXPECT_EQ(larger->new_ids, std::vector<std::uint16_t>{BP_MIN_RULES});
    EXPECT_FALSE(table.commit(*larger)) << "there is no id left in this one";
    std::vector<RuleSpec> other{rule("9000:19000")};
    EXPECT_EQ(table.plan(other, slot_bits)->capacity.rules, 2 * BP_MIN_RULES);
    std::vector<RuleSpec> most(BP_MAX_RULES - 1, rule("9000:19000"));
    EXPECT_EQ(Table::plan_first({}, most, slot_bits)->capacity.rules, BP_MAX_RULES);
    most.assign(BP_MAX_RULES, rule("9000:19000"));
    const auto refused = Table::plan_first({}, most, slot_bits);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, testing::HasSubstr("more than 65535 rules"));
    EXPECT_EQ(table.rules().size(), BP_MIN_RULES - 1) << "nothing has changed";
}

TEST_F(TableInMemory, ALargerTableSaysTheSame) {
    std::vector<RuleSpec> rules;
    for (unsigned i = 0; i < 100; ++i)
        rules.push_back(rule(fmt::format("192.0.2.{}:80:{}", i, 3000 + i)));
    Table table = open();
    ASSERT_TRUE(install(table, rules));
    TableMaps larger = memory_maps({4 * BP_MIN_RULES, 8 * BP_MIN_SPANS});
    larger.table = Fd(::dup(maps_.table.get()));
    auto opened = Table::open(larger, true);
    ASSERT_TRUE(opened);
    table.copy_to(*opened);
    ASSERT_EQ(opened->rules().size(), rules.size());
    for (unsigned i = 0; i < 100; ++i)
        EXPECT_EQ(
            opened->find({Protocol::kTcp, 80, *parse_address(fmt::format("192.0.2.{}", i)), 2, 0}),
            rules[i].id);
}

// A candidate of a forwarded connection has 14 bits for the rule's id.
class LargeTable : public TableInMemory {
  protected:
    LargeTable() : TableInMemory({BP_MAX_RULES, BP_MIN_SPANS}) {}
};
TEST_F(LargeTable, ForwardedRulesHaveSmallIds) {
    std::vector<RuleSpec> rules(20000, rule("80:3000"));
    Table table = open();
    ASSERT_TRUE(install(table, rules));
    EXPECT_EQ(rules.back().id, 20000);
    std::vector<RuleSpec> few{rule("81:3001", 0, 0, BP_RULE_FORWARDED)};
    ASSERT_FALSE(table.plan(few, slot_bits)) << "rules in force have all small ids";
    rules.erase(rules.begin());
    ASSERT_TRUE(install(table, rules));
    ASSERT_TRUE(table.plan(few, slot_bits));
    EXPECT_LE(few[0].id, 0x3fff);
    auto changed = rules.back();
    changed.flags |= BP_RULE_FORWARDED;
    std::vector<RuleSpec> one{changed};
    ASSERT_TRUE(table.plan(one, slot_bits));
    EXPECT_LE(one[0].id, 0x3fff) << "one that becomes --forwarded gets another id";
    rules.push_back(few[0]);
    rules.back().id = 0;
    ASSERT_TRUE(table.plan(rules, slot_bits)) << "one small id is left";
    rules.push_back(few[0]);
    rules.back().id = 0;
    EXPECT_FALSE(table.plan(rules, slot_bits));
}

TEST_F(TableInMemory, ReadersNeedNoPermissionToWrite) {
    Table writer = open();
    std::vector<RuleSpec> rules{rule("80:3000")};
    ASSERT_TRUE(install(writer, rules));
    const Table reader = open(false);
    EXPECT_EQ(reader.rules().size(), 1);
    rules.clear();
    ASSERT_TRUE(install(writer, rules));
    EXPECT_EQ(reader.rules().size(), 0) << "a reader sees the flip";
}

} // namespace
} // namespace bpfport
