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

// Processor time, so that a busy machine doesn't fail it, compared with that of a tenth of the rules, ten times, so that a
// slow one doesn't either: about the same, while pair by pair the whole takes ten times as long.
class PlanAtScale : public testing::TestWithParam<bool> {
  protected:
    static constexpr unsigned kThere = 50000, kAdded = 10000, kTenth = 10;
    static constexpr double kMuchMore = 5;
    struct Times {
        double many, one, detach;
    };
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
    static Times times(unsigned there, unsigned added);
};
INSTANTIATE_TEST_SUITE_P(, PlanAtScale, testing::Bool(),
                         [](const auto& test) { return test.param ? "addresses" : "ports"; });

// Adds many rules, then one, and takes as many off.
PlanAtScale::Times PlanAtScale::times(unsigned there, unsigned added) {
    std::vector<RuleSpec> existing;
    for (unsigned i = 0; i < there; ++i)
        existing.push_back({static_cast<std::uint16_t>(i + 1), rule(i), kEth0, BP_ENGINE_TC, 0,
                            BP_ABSENT_RESET, 0});
    const HostFacts facts = host();
    AttachRequest many, one;
    many.scopes = one.scopes = {*parse_scope("eth0")};
    for (unsigned i = 0; i < added; ++i) many.rules.push_back(rule(there + i));
    one.rules.push_back(many.rules.front());
    DetachRequest detached;
    for (unsigned i = 0; i < added; ++i) detached.rules.push_back(rule(2 * i));

    Times times{};
    std::optional<Plan> plan;
    times.many = seconds_of([&] { plan = plan_attach(many, existing, facts).value(); });
    EXPECT_THAT(plan->added, SizeIs(added));
    EXPECT_LT(plan->warnings.size(), 20) << "what no one can read is summed up";
    EXPECT_THAT(plan->rules, SizeIs(there + added));
    times.one = seconds_of([&] { plan = plan_attach(one, existing, facts).value(); });
    std::optional<std::vector<RuleSpec>> selected;
    times.detach =
        seconds_of([&] { selected = select_rules(detached, existing, facts.interfaces).value(); });
    EXPECT_THAT(*selected, SizeIs(added));
    return times;
}

TEST_P(PlanAtScale, TenThousandOnTopOfFiftyThousand) {
    Times parts{};
    for (unsigned i = 0; i < kTenth; ++i) {
        const Times part = times(kThere / kTenth, kAdded / kTenth);
        parts.many += part.many;
        parts.one += part.one;
        parts.detach += part.detach;
    }
    const Times all = times(kThere, kAdded);
    EXPECT_LT(all.many, kMuchMore * parts.many);
    EXPECT_LT(all.one, kMuchMore * parts.one);
    EXPECT_LT(all.detach, kMuchMore * parts.detach);
    fmt::print("10,000 more: {} s, one more: {} s, 10,000 detached: {} s; ten times a tenth: {} s, "
               "{} s, {} s\n",
               all.many, all.one, all.detach, parts.many, parts.one, parts.detach);
}

} // namespace
} // namespace bpfport
