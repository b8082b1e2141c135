// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The rule table: what a side says of each port, that rules come back as they were written, and that
// a change is one flip. On a memory file instead of a BPF map: the table does not know.
#include "state/table.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "bpfport/meta.h"
#include "engine/registry.hpp"

namespace bpfport {
namespace {

InstalledRule rule(std::string_view text, std::uint16_t id = 0, unsigned ifindex = 0,
                   std::uint16_t flags = 0) {
    return {id, parse_rules(text)->front(), ifindex, BP_ENGINE_TC, flags, BP_ABSENT_RESET, 0};
}

std::vector<std::uint16_t> set_of(const bp_table_side& side, std::uint16_t slot) {
    const auto& set = side.sets[slot & BP_PORT_SET];
    std::vector<std::uint16_t> ids;
    for (int i = 0; i < BP_SET_SIZE && set[i] != 0; ++i) ids.push_back(set[i]);
    return ids;
}

TEST(TableSide, PortsOfARule) {
    const auto side = build_side({rule("80:3000", 7)}, slot_bits);
    ASSERT_TRUE(side);
    const auto& ports = (*side)->ports[BP_TCP];
    EXPECT_THAT(set_of(**side, ports[80]), testing::ElementsAre(7));
    EXPECT_EQ(ports[80] & BP_PORT_TARGET, 0);
    EXPECT_EQ(ports[3000], BP_PORT_TARGET);
    EXPECT_EQ((*side)->ports[BP_UDP][80], 0);
    EXPECT_EQ(std::ranges::count_if(ports, [](auto slot) { return slot != 0; }), 2);
}

// As bpf/lib/rules.h does, which prog_tests run: whose rules clients on lo take, and who is left out.
TEST(TableSide, TheRuleOfAPacket) {
    constexpr unsigned kLo = 1, kEth0 = 2, kEth1 = 3;
    const auto side =
        build_side({rule("80:3000", 1, kEth0), rule("80:3001", 2, kEth1),
                    rule("10.1.0.2:80:3002", 3), rule("81:3000", 4, 0, BP_RULE_NO_LOCAL),
                    rule("82:3000", 5, kLo, BP_RULE_NO_LOCAL), rule("83:3000/udp", 6)},
                   slot_bits);
    ASSERT_TRUE(side);
    const auto address = [](const char* text) { return *parse_address(text); };
    const auto find = [&](std::uint16_t port, unsigned ifindex, const char* local,
                          unsigned owner = 0, Protocol protocol = Protocol::kTcp) {
        return find_in_side(**side, {protocol, port, address(local), ifindex, owner});
    };
    EXPECT_EQ(find(80, kEth0, "10.1.0.1"), 1);
    EXPECT_EQ(find(80, kEth1, "10.1.0.1"), 2);
    EXPECT_EQ(find(80, 4, "10.1.0.1"), 0) << "another interface has no rule";
    EXPECT_EQ(find(80, kEth0, "10.1.0.2"), 3) << "a rule of this address comes first";
    EXPECT_EQ(find(80, kLo, "10.1.0.1", kEth0), 1) << "the interface that has the address";
    EXPECT_EQ(find(80, kLo, "10.2.0.1", kEth1), 2);
    EXPECT_EQ(find(80, kLo, "127.0.0.1", kEth1), 1) << "every interface's";
    EXPECT_EQ(find(81, kEth0, "10.1.0.1"), 4);
    EXPECT_EQ(find(81, kLo, "10.1.0.1", kEth0), 0) << "--no-local";
    EXPECT_EQ(find(82, kLo, "127.0.0.1"), 5) << "of lo itself";
    EXPECT_EQ(find(83, kEth0, "10.1.0.1"), 0);
    EXPECT_EQ(find(83, kEth0, "10.1.0.1", 0, Protocol::kUdp), 6);
    EXPECT_EQ(find(3000, kEth0, "10.1.0.1"), 0) << "a target is no listen port";
}

TEST(TableSide, Ranges) {
    const auto side = build_side({rule("8000-8002:18000-18002/udp", 1)}, slot_bits);
    ASSERT_TRUE(side);
    const auto& ports = (*side)->ports[BP_UDP];
    for (unsigned i = 0; i < 3; ++i) {
        EXPECT_THAT(set_of(**side, ports[8000 + i]), testing::ElementsAre(1));
        EXPECT_EQ(ports[18000 + i], BP_PORT_TARGET);
    }
    EXPECT_EQ(ports[8003], 0);
    EXPECT_EQ(ports[18003], 0);
    EXPECT_EQ((*side)->rules[1].listen_first, 8000);
    EXPECT_EQ((*side)->rules[1].target_first, 18000);
}

// Address before interface before neither; among equals, as they came.
TEST(TableSide, TheMostSpecialRuleFirst) {
    const auto side =
        build_side({rule("80:3000", 1), rule("80:3000", 2, 4), rule("192.0.2.1:80:3001", 3),
                    rule("[2001:db8::1]:80:3002", 4, 4)},
                   slot_bits);
    ASSERT_TRUE(side);
    EXPECT_THAT(set_of(**side, (*side)->ports[BP_TCP][80]), testing::ElementsAre(4, 3, 2, 1));
}

TEST(TableSide, PortsWithTheSameRulesShareASet) {
    const auto side =
        build_side({rule("1000-1999:11000-11999", 1), rule("2000:12000", 2)}, slot_bits);
    ASSERT_TRUE(side);
    const auto& ports = (*side)->ports[BP_TCP];
    EXPECT_EQ(ports[1000], ports[1999]);
    EXPECT_NE(ports[1000], ports[2000]);
}

TEST(TableSide, FlagsOfTargets) {
    auto exclusive = rule("80:3000", 1, 0, BP_RULE_EXCLUSIVE);
    auto dropping = rule("81:3001", 2, 0, BP_RULE_EXCLUSIVE);
    dropping.on_absent = BP_ABSENT_DROP;
    const auto side =
        build_side({exclusive, dropping, rule("82:3002", 3, 0, BP_RULE_FORWARDED)}, slot_bits);
    ASSERT_TRUE(side);
    const auto& ports = (*side)->ports[BP_TCP];
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
    ASSERT_TRUE(side);
    EXPECT_EQ((*side)->rules[1].flags & BP_RULE_RECHECK, 0);
    EXPECT_NE((*side)->rules[2].flags & BP_RULE_RECHECK, 0);
    EXPECT_NE((*side)->rules[3].flags & BP_RULE_RECHECK, 0);
}

// Replies of connections that stay with the old target are still looked at.
TEST(TableSide, TheOldTarget) {
    auto changed = rule("80-81:4000-4001", 1);
    changed.old_target_first = 3000;
    const auto side = build_side({changed}, slot_bits);
    ASSERT_TRUE(side);
    for (const unsigned port : {3000U, 3001U, 4000U, 4001U})
        EXPECT_EQ((*side)->ports[BP_TCP][port], BP_PORT_TARGET) << port;
    EXPECT_EQ((*side)->rules[1].old_target_first, 3000);
}

TEST(TableSide, TooManyRulesForOnePort) {
    std::vector<InstalledRule> rules;
    for (std::uint16_t i = 1; i <= BP_SET_SIZE; ++i) rules.push_back(rule("80:3000", i, i));
    EXPECT_TRUE(build_side(rules, slot_bits));
    rules.push_back(rule("80:3000", 100, 100));
    const auto side = build_side(rules, slot_bits);
    ASSERT_FALSE(side);
    EXPECT_THAT(side.error().message, testing::HasSubstr("more than 8 rules for one listen port"));
    EXPECT_THAT(side.error().message, testing::StartsWith("80:3000"));
}

class TableInMemory : public testing::Test {
  protected:
    TableInMemory() : memory_(::memfd_create("table", MFD_CLOEXEC)) {
        EXPECT_EQ(::ftruncate(memory_.get(), sizeof(bp_table) + 65536), 0);
    }
    Table open(bool writable = true) {
        auto table = Table::open(memory_, writable);
        EXPECT_TRUE(table);
        return std::move(*table);
    }
    // As the engine does it: ids first, since counters are zeroed by them.
    static Result<void> install(Table& table, std::vector<InstalledRule>& rules) {
        BP_TRY(table.number(rules), "ids");
        return table.replace(rules, slot_bits);
    }
    Fd memory_;
};

TEST_F(TableInMemory, RulesComeBack) {
    std::vector<InstalledRule> rules{rule("80:3000", 0, 3, BP_RULE_VLAN | BP_RULE_EXCLUSIVE),
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
    for (int round = 0; round < 2 * BP_MAX_RULES; ++round) {
        std::vector<InstalledRule> rules{rule("80:3000")};
        ASSERT_TRUE(install(table, rules));
        EXPECT_EQ(rules[0].id, last % (BP_MAX_RULES - 1) + 1);
        last = rules[0].id;
    }
    std::vector<InstalledRule> both = table.rules();
    both.push_back(rule("81:3001"));
    ASSERT_TRUE(install(table, both));
    EXPECT_EQ(both[0].id, last) << "a rule keeps its id";
}

TEST_F(TableInMemory, AsManyRulesAsThereAreIds) {
    std::vector<InstalledRule> rules;
    for (unsigned i = 1; i < BP_MAX_RULES; ++i)
        rules.push_back(rule(fmt::format("{}:{}", i, 10000 + i)));
    Table table = open();
    EXPECT_TRUE(install(table, rules));
    rules.push_back(rule("9000:19000"));
    const auto refused = install(table, rules);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, testing::HasSubstr("more than 511 rules"));
    EXPECT_EQ(table.rules().size(), BP_MAX_RULES - 1) << "nothing has changed";
}

TEST_F(TableInMemory, ReadersNeedNoPermissionToWrite) {
    Table writer = open();
    std::vector<InstalledRule> rules{rule("80:3000")};
    ASSERT_TRUE(install(writer, rules));
    const Table reader = open(false);
    EXPECT_EQ(reader.rules().size(), 1);
    rules.clear();
    ASSERT_TRUE(install(writer, rules));
    EXPECT_EQ(reader.rules().size(), 0) << "a reader sees the flip";
}

} // namespace
} // namespace bpfport
