// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The plan of a command with many rules, on top of many, takes no time that grows with their product.
#include <array>
#include <ctime>
#include <optional>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bpfport/meta.h"
#include "engine/plan.hpp"

namespace bpfport {
namespace {

using testing::SizeIs;

constexpr unsigned kEth0 = 2;

// With a listener on each target port, and as many others.
HostFacts host() {
    HostFacts facts;
    facts.interfaces.emplace_back();
    facts.interfaces.back().ifindex = kEth0;
    facts.interfaces.back().name = "eth0";
    for (unsigned i = 0; i < 2000; ++i) {
        facts.listeners.emplace_back();
        facts.listeners.back().socket.local_port = static_cast<std::uint16_t>(60001 + i);
    }
    facts.ephemeral = {32768, 60999};
    return facts;
}

// Processor time, so that a busy machine doesn't fail it. Compared pair by pair, 10,000 rules on top of
// 50,000 take many seconds.
class PlanAtScale : public testing::TestWithParam<bool> {
  protected:
    static constexpr unsigned kThere = 50000, kAdded = 10000;
    // On ports of their own, or on the addresses of one port.
    static Rule rule(unsigned i) {
        const auto target = static_cast<std::uint16_t>(60001 + i % 1000);
        const auto port = static_cast<std::uint16_t>(GetParam() ? 80 : 1 + i);
        const std::array<std::uint8_t, 4> address{10, static_cast<std::uint8_t>(i >> 16),
                                                  static_cast<std::uint8_t>(i >> 8),
                                                  static_cast<std::uint8_t>(i)};
        std::optional<Prefix> local;
        if (GetParam()) local = Prefix{Address::from_v4(address.data())};
        return Rule::make(local, {port, port}, {target, target}, Protocol::kTcp).value();
    }
    static double seconds_of(auto&& work) {
        const std::clock_t start = std::clock();
        work();
        return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    }
};
INSTANTIATE_TEST_SUITE_P(, PlanAtScale, testing::Bool(),
                         [](const auto& test) { return test.param ? "addresses" : "ports"; });

TEST_P(PlanAtScale, TenThousandOnTopOfFiftyThousand) {
    std::vector<RuleSpec> existing;
    for (unsigned i = 0; i < kThere; ++i)
        existing.push_back({static_cast<std::uint16_t>(i + 1), rule(i), kEth0, BP_ENGINE_TC, 0,
                            BP_ABSENT_RESET, 0});
    const HostFacts facts = host();
    AttachRequest many, one;
    many.scopes = one.scopes = {*parse_scope("eth0")};
    for (unsigned i = 0; i < kAdded; ++i) many.rules.push_back(rule(kThere + i));
    one.rules.push_back(many.rules.front());

    std::optional<Plan> plan;
    const double for_many = seconds_of([&] { plan = plan_attach(many, existing, facts).value(); });
    EXPECT_THAT(plan->added, SizeIs(kAdded));
    EXPECT_LT(plan->warnings.size(), 20) << "what no one can read is summed up";
    EXPECT_THAT(plan->rules, SizeIs(kThere + kAdded));
    EXPECT_LT(for_many, 1);
    const double for_one = seconds_of([&] { plan = plan_attach(one, existing, facts).value(); });
    EXPECT_LT(for_one, 0.1);
    std::optional<std::vector<RuleSpec>> selected;
    DetachRequest detached;
    for (unsigned i = 0; i < kAdded; ++i) detached.rules.push_back(rule(2 * i));
    const double for_detach =
        seconds_of([&] { selected = select_rules(detached, existing, facts.interfaces).value(); });
    EXPECT_THAT(*selected, SizeIs(kAdded));
    EXPECT_LT(for_detach, 1);
    fmt::print("10,000 more: {} s, one more: {} s, 10,000 detached: {} s\n", for_many, for_one,
               for_detach);
}

} // namespace
} // namespace bpfport
