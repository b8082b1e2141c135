// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Which interfaces run XDP, and what is refused before anything is tried.
#include "engine/xdp_hooks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if_arp.h>

#include "engine/plan.hpp"

namespace bpfport {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Interface device(unsigned ifindex, const char* name, std::uint16_t type = ARPHRD_ETHER) {
    Interface interface;
    interface.ifindex = ifindex;
    interface.name = name;
    interface.type = type;
    if (type == ARPHRD_LOOPBACK) interface.flags = 0x8; // IFF_LOOPBACK
    return interface;
}

const std::vector<Interface> kDevices = {device(1, "lo", ARPHRD_LOOPBACK), device(2, "eth0"),
                                         device(3, "eth1"), device(4, "tun0", ARPHRD_NONE)};

RuleSpec spec(unsigned ifindex, std::uint32_t engine, std::uint16_t flags = 0) {
    return {1, parse_rules("80:3000").value().front(), ifindex, engine, flags, 0, 0};
}

TEST(XdpHooks, OnlyWhereARuleOfTheEngineIs) {
    EXPECT_THAT(wanted_xdp({spec(2, BP_ENGINE_TC)}, kDevices), IsEmpty());
    auto wanted = wanted_xdp({spec(2, BP_ENGINE_XDP), spec(3, BP_ENGINE_TC)}, kDevices);
    ASSERT_EQ(wanted.size(), 1U);
    EXPECT_EQ(wanted[2].mode, BP_XDP_NATIVE);
    EXPECT_TRUE(wanted[2].named);
}

TEST(XdpHooks, AnyLeavesOutWhatCanNot) {
    auto wanted = wanted_xdp({spec(0, BP_ENGINE_XDP)}, kDevices);
    ASSERT_EQ(wanted.size(), 2U);
    EXPECT_TRUE(wanted.contains(2) && wanted.contains(3));
    EXPECT_FALSE(wanted[2].named);
}

TEST(XdpHooks, GenericWhenOneRuleAllowsIt) {
    auto wanted = wanted_xdp({spec(2, BP_ENGINE_XDP), spec(2, BP_ENGINE_XDP, BP_RULE_XDP_GENERIC),
                              spec(3, BP_ENGINE_XDP)},
                             kDevices);
    EXPECT_EQ(wanted[2].mode, BP_XDP_GENERIC);
    EXPECT_EQ(wanted[3].mode, BP_XDP_NATIVE);
}

TEST(XdpHooks, RefusalsKnownBeforehand) {
    AttachRequest request;
    request.rules = {parse_rules("80:3000").value().front()};
    request.engine = find_engine("xdp");
    HostFacts facts;
    facts.interfaces = kDevices;
    for (auto [name, says] : {std::pair("lo", "no driver"), {"tun0", "no Ethernet header"}}) {
        request.scopes = {parse_scope(name).value()};
        auto plan = plan_attach(request, {}, facts);
        ASSERT_FALSE(plan);
        EXPECT_THAT(plan.error().message, HasSubstr(says));
        EXPECT_THAT(plan.error().hint, HasSubstr("--engine tc"));
    }
    request.scopes = {parse_scope("eth0").value()};
    EXPECT_TRUE(plan_attach(request, {}, facts));
    request.engine = nullptr;
    request.flags = BP_RULE_XDP_GENERIC;
    EXPECT_EQ(plan_attach(request, {}, facts).error().fault, Fault::kUsage);
}

} // namespace

} // namespace bpfport
