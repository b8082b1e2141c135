// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The plan of an attach or detach: what would change on a host of such facts, and what is refused.
#include "engine/plan.hpp"

#include <netinet/tcp.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bpfport/meta.h"

namespace bpfport {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr unsigned kEth0 = 2, kWlan0 = 3;

std::vector<Rule> rules(std::initializer_list<const char*> texts) {
    std::vector<Rule> all;
    for (const char* text : texts) {
        const auto parsed = parse_rules(text);
        all.insert(all.end(), parsed->begin(), parsed->end());
    }
    return all;
}

AttachRequest attach(const char* scope, std::initializer_list<const char*> texts) {
    AttachRequest request;
    request.scopes.push_back(*parse_scope(scope));
    request.rules = rules(texts);
    return request;
}

RuleSpec installed(const char* text, std::uint16_t id, unsigned ifindex = kEth0) {
    return {id, rules({text}).front(), ifindex, BP_ENGINE_TC, 0, BP_ABSENT_RESET, 0};
}

Listener listener(Protocol protocol, const char* address, std::uint16_t port) {
    Listener l;
    l.socket.protocol = protocol;
    l.socket.local = *parse_address(address);
    l.socket.ipv6 = !l.socket.local.is_v4();
    l.socket.local_port = port;
    l.socket.state = protocol == Protocol::kTcp ? TCP_LISTEN : TCP_CLOSE;
    l.process = "nginx (pid 812, user root)";
    return l;
}

HostFacts host(std::vector<Listener> listeners = {}) {
    HostFacts facts;
    for (const auto& [ifindex, name] :
         {std::pair(1U, "lo"), std::pair(kEth0, "eth0"), std::pair(kWlan0, "wlan0")}) {
        facts.interfaces.emplace_back();
        facts.interfaces.back().ifindex = ifindex;
        facts.interfaces.back().name = name;
    }
    facts.listeners = std::move(listeners);
    facts.ephemeral = {32768, 60999};
    return facts;
}

TEST(PlanAttach, OnAnEmptyHost) {
    const auto plan = plan_attach(
        attach("eth0", {"80:3000", "53:5300/udp"}), {},
        host({listener(Protocol::kTcp, "0.0.0.0", 3000), listener(Protocol::kUdp, "::", 5300)}));
    ASSERT_TRUE(plan) << plan.error().message;
    EXPECT_THAT(plan->rules, SizeIs(2));
    EXPECT_THAT(plan->added, SizeIs(2));
    EXPECT_EQ(plan->added[0].ifindex, kEth0);
    EXPECT_EQ(plan->added[0].engine, BP_ENGINE_TC);
    EXPECT_THAT(plan->kept, IsEmpty());
    EXPECT_THAT(plan->warnings, IsEmpty());
}

TEST(PlanAttach, EveryScopeGetsEveryRule) {
    auto request = attach("eth0", {"80:3000", "81:3001"});
    request.scopes.push_back(*parse_scope("wlan0"));
    const auto plan = plan_attach(request, {}, host());
    ASSERT_TRUE(plan);
    EXPECT_THAT(plan->added, SizeIs(4));
    request.scopes = {Scope::any()};
    const auto any = plan_attach(request, {}, host());
    ASSERT_TRUE(any);
    EXPECT_EQ(any->added.front().ifindex, 0);
}

TEST(PlanAttach, TwiceIsSuccess) {
    const auto plan = plan_attach(attach("eth0", {"80:3000"}), {installed("80:3000", 5)}, host());
    ASSERT_TRUE(plan);
    EXPECT_THAT(plan->added, IsEmpty());
    ASSERT_THAT(plan->kept, SizeIs(1));
    EXPECT_EQ(plan->kept[0].id, 5);
}

TEST(PlanAttach, OtherOptionsForTheSameRuleReplaceIt) {
    auto request = attach("eth0", {"80:3000"});
    request.flags = BP_RULE_EXCLUSIVE;
    const auto plan = plan_attach(request, {installed("80:3000", 5)}, host());
    ASSERT_TRUE(plan);
    ASSERT_THAT(plan->replaced, SizeIs(1));
    EXPECT_EQ(plan->replaced[0].second.id, 5);
    EXPECT_EQ(plan->replaced[0].second.flags, BP_RULE_EXCLUSIVE);
    EXPECT_EQ(plan->replaced[0].second.old_target_first, 0) << "the target is the same";
    EXPECT_THAT(plan->rules, SizeIs(1));
}

TEST(PlanAttach, AnotherTargetNeedsReplace) {
    const std::vector<RuleSpec> existing{installed("80:3000", 5)};
    const auto refused = plan_attach(attach("eth0", {"80:4000"}), existing, host());
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("80:4000 on eth0"));
    EXPECT_THAT(refused.error().message, HasSubstr("80:3000 on eth0"));
    EXPECT_THAT(refused.error().hint, HasSubstr("--replace"));

    auto request = attach("eth0", {"80:4000"});
    request.replace = true;
    const auto plan = plan_attach(request, existing, host());
    ASSERT_TRUE(plan) << plan.error().message;
    ASSERT_THAT(plan->rules, SizeIs(1));
    EXPECT_EQ(plan->rules[0].id, 5);
    EXPECT_EQ(plan->rules[0].old_target_first, 3000);
}

// Connections stay with the rule: its id does not change.
TEST(PlanAttach, ARuleGetsAndLosesItsWeight) {
    const std::vector<RuleSpec> plain{installed("80:3000", 5)};
    const auto shared = plan_attach(attach("eth0", {"80:3000*95", "80:4000*5"}), plain, host());
    ASSERT_TRUE(shared) << shared.error().message;
    ASSERT_THAT(shared->rules, SizeIs(2));
    EXPECT_EQ(shared->rules[0].id, 5);
    EXPECT_EQ(shared->rules[0].rule.to_string(), "80:3000*95");
    EXPECT_EQ(shared->rules[0].old_target_first, 0);
    EXPECT_THAT(shared->added, SizeIs(1));

    const std::vector<RuleSpec> both{installed("80:3000*95", 5), installed("80:4000*5", 6)};
    const auto other = plan_attach(attach("eth0", {"80:3000*1", "80:4000*1"}), both, host());
    ASSERT_TRUE(other) << other.error().message;
    EXPECT_THAT(other->added, IsEmpty());
    EXPECT_THAT(other->replaced, SizeIs(2));
    EXPECT_EQ(other->rules[1].id, 6);

    const auto alone = plan_attach(attach("eth0", {"80:3000"}), {both[0]}, host());
    ASSERT_TRUE(alone) << alone.error().message;
    EXPECT_EQ(alone->rules[0].id, 5);
    EXPECT_EQ(alone->rules[0].rule.to_string(), "80:3000");
    for (const auto& words : {"80:3000", "80:4000"}) {
        const auto refused = plan_attach(attach("eth0", {words}), both, host());
        ASSERT_FALSE(refused) << "the other one has a part of the port";
        EXPECT_THAT(refused.error().message, HasSubstr("conflicts with"));
    }
    const auto twice = plan_attach(attach("eth0", {"80:3000", "80:3000*1"}), {}, host());
    ASSERT_FALSE(twice);
    EXPECT_THAT(twice.error().hint, HasSubstr("keep one of the two"));
}

TEST(PlanAttach, ConflictsNameBothRules) {
    const auto refused =
        plan_attach(attach("wlan0", {"80:4000"}), {installed("80:3000", 5)}, host());
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("80:4000"));
    EXPECT_THAT(refused.error().message, HasSubstr("80:3000 on eth0"));
}

TEST(PlanAttach, UnknownInterfacesAreAnsweredWithTheNearest) {
    const auto refused = plan_attach(attach("eth1", {"80:3000"}), {}, host());
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("no interface eth1"));
    EXPECT_THAT(refused.error().hint, HasSubstr("eth0"));
}

struct Theft {
    const char* name;
    Listener listener;
    const char* rule;
    std::uint16_t flags;
    bool refused;
};

TEST(PlanAttach, NobodyIsRobbed) {
    auto bound_to_lo = listener(Protocol::kTcp, "127.0.0.1", 80);
    bound_to_lo.socket.ifindex = 1;
    const Theft cases[] = {
        {"every address", listener(Protocol::kTcp, "0.0.0.0", 80), "80:3000", 0, true},
        {"every address, v6", listener(Protocol::kTcp, "::", 80), "80:3000", 0, true},
        {"in a range", listener(Protocol::kTcp, "::", 85), "80-90:3080-3090", 0, true},
        {"one address", listener(Protocol::kTcp, "192.0.2.1", 80), "80:3000", 0, true},
        {"the rule's address", listener(Protocol::kTcp, "192.0.2.1", 80), "192.0.2.1:80:3000", 0,
         true},
        {"another address", listener(Protocol::kTcp, "192.0.2.9", 80), "192.0.2.1:80:3000", 0,
         false},
        {"another port", listener(Protocol::kTcp, "::", 81), "80:3000", 0, false},
        {"another protocol", listener(Protocol::kUdp, "::", 80), "80:3000", 0, false},
        {"a loopback address is kept", listener(Protocol::kTcp, "127.0.0.1", 80), "80:3000", 0,
         false},
        {"and named", listener(Protocol::kTcp, "127.0.0.1", 80), "127.0.0.1:80:3000", 0, true},
        {"and bound to lo", bound_to_lo, "127.0.0.1:80:3000", 0, true},
        {"loopback, left alone", listener(Protocol::kTcp, "127.0.0.1", 80), "80:3000",
         BP_RULE_NO_LOCAL, false},
    };
    for (const Theft& c : cases) {
        auto request = attach("eth0", {c.rule});
        request.flags = c.flags;
        const auto plan = plan_attach(request, {}, host({c.listener}));
        ASSERT_EQ(!plan, c.refused) << c.name;
        if (plan) continue;
        EXPECT_THAT(plan.error().message, HasSubstr("nginx (pid 812, user root)")) << c.name;
        EXPECT_THAT(plan.error().hint, HasSubstr("--force")) << c.name;
        request.force = true;
        EXPECT_TRUE(plan_attach(request, {}, host({c.listener}))) << c.name;
    }
}

TEST(PlanAttach, Warnings) {
    const auto absent = plan_attach(attach("eth0", {"80:3000"}), {}, host());
    ASSERT_TRUE(absent);
    ASSERT_THAT(absent->warnings, SizeIs(1));
    EXPECT_THAT(absent->warnings[0].message, HasSubstr("no program listens on tcp port 3000"));

    const auto ephemeral = plan_attach(attach("eth0", {"80:40000"}), {},
                                       host({listener(Protocol::kTcp, "::", 40000)}));
    ASSERT_TRUE(ephemeral);
    ASSERT_THAT(ephemeral->warnings, SizeIs(1));
    EXPECT_THAT(ephemeral->warnings[0].message, HasSubstr("40000"));

    auto forwarded = attach("eth0", {"80:3000"});
    forwarded.flags = BP_RULE_FORWARDED;
    const auto plan = plan_attach(forwarded, {}, host());
    ASSERT_TRUE(plan);
    EXPECT_THAT(plan->warnings, IsEmpty()) << "its listener is on another host";
}

TEST(PlanAttach, ForwardedGoesWithResetOnly) {
    auto request = attach("eth0", {"80:3000"});
    request.flags = BP_RULE_FORWARDED;
    request.on_absent = BP_ABSENT_DROP;
    const auto refused = plan_attach(request, {}, host());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().fault, Fault::kUsage);
}

TEST(SelectRules, ByScopeAndRule) {
    const std::vector<RuleSpec> existing{installed("80:3000", 1), installed("81:3001", 2),
                                         installed("80:3000", 3, kWlan0),
                                         installed("82:3002", 4, 0)};
    const auto ids = [&](std::vector<Scope> scopes, std::vector<Rule> wanted) {
        const auto selected =
            select_rules({std::move(scopes), std::move(wanted)}, existing, host().interfaces);
        EXPECT_TRUE(selected) << selected.error().message;
        std::vector<std::uint16_t> found;
        for (const auto& rule : *selected) found.push_back(rule.id);
        return found;
    };
    using testing::ElementsAre;
    EXPECT_THAT(ids({}, {}), ElementsAre(1, 2, 3, 4));
    EXPECT_THAT(ids({*parse_scope("eth0")}, {}), ElementsAre(1, 2));
    EXPECT_THAT(ids({}, rules({"80:3000"})), ElementsAre(1, 3));
    EXPECT_THAT(ids({*parse_scope("wlan0")}, rules({"80:3000"})), ElementsAre(3));
    EXPECT_THAT(ids({Scope::any()}, {}), ElementsAre(4));
}

TEST(SelectRules, OneThatIsNotThere) {
    const auto refused =
        select_rules({{}, rules({"80:9999"})}, {installed("80:3000", 1)}, host().interfaces);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("80:9999"));
    EXPECT_THAT(refused.error().hint, HasSubstr("80:3000 on eth0"));
    const auto none = select_rules({{}, rules({"80:9999"})}, {}, host().interfaces);
    ASSERT_FALSE(none);
    EXPECT_THAT(none.error().hint, HasSubstr("no rule is attached"));
}

TEST(TargetListeners, AreThoseThePacketsReach) {
    const std::vector<Listener> all{
        listener(Protocol::kTcp, "0.0.0.0", 3000), listener(Protocol::kTcp, "192.0.2.9", 3000),
        listener(Protocol::kUdp, "0.0.0.0", 3000), listener(Protocol::kTcp, "0.0.0.0", 3001)};
    EXPECT_THAT(target_listeners(installed("80:3000", 1), ListenerIndex(all)), SizeIs(2));
    EXPECT_THAT(target_listeners(installed("192.0.2.1:80:3000", 1), ListenerIndex(all)), SizeIs(1));
    EXPECT_THAT(target_listeners(installed("80-81:3000-3001", 1), ListenerIndex(all)), SizeIs(3));
}

TEST(ScopeName, OfAnInterfaceThatIsGone) {
    EXPECT_EQ(scope_name(0, host().interfaces), "any");
    EXPECT_EQ(scope_name(kEth0, host().interfaces), "eth0");
    EXPECT_THAT(scope_name(99, host().interfaces), HasSubstr("99"));
}

} // namespace
} // namespace bpfport
