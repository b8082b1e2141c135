// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Devices that this machine may not have: what attach makes of a VRF and of a bond's port.
#include "engine/place.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bpfport/meta.h"
#include "doctor/rule_checks.hpp"

namespace bpfport {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

enum : unsigned { kRed = 2, kEth1, kEth2, kBond0, kEth3 };

// red, a VRF, has eth1 and eth2; bond0 has eth3.
NetworkView host() {
    NetworkView view;
    struct Device {
        const char* name;
        const char* kind;
        unsigned master;
    };
    constexpr Device kDevices[] = {{"lo", "", 0},      {"red", "vrf", 0},    {"eth1", "", kRed},
                                   {"eth2", "", kRed}, {"bond0", "bond", 0}, {"eth3", "", kBond0}};
    for (const auto& [name, kind, master] : kDevices) {
        auto& one = view.interfaces.emplace_back();
        one.ifindex = static_cast<unsigned>(view.interfaces.size());
        one.name = name;
        one.kind = kind;
        one.master = master;
    }
    return view;
}

RuleSpec spec(const char* text, unsigned ifindex, std::uint32_t engine) {
    return {1, parse_rules(text)->front(), ifindex, engine, 0, BP_ABSENT_RESET, 0};
}

TEST(Place, AVrfIsRefusedAndItsPortsAreNamed) {
    for (const char* rule : {"80:3000", "80:3000/udp"})
        for (auto engine : {BP_ENGINE_TC, BP_ENGINE_XDP}) {
            const auto placed = refuse_place(spec(rule, kRed, engine), host());
            ASSERT_FALSE(placed) << rule;
            EXPECT_THAT(placed.error().message, HasSubstr("red is a VRF"));
            EXPECT_THAT(placed.error().hint, HasSubstr("attach to its ports: eth1 eth2"));
        }
    EXPECT_TRUE(refuse_place(spec("80:3000", kRed, BP_ENGINE_SKLOOKUP), host()))
        << "sockets are found without its hooks";
}

TEST(Place, AVrfsPortIsTheRightPlace) {
    const auto rule = spec("80:3000", kEth1, BP_ENGINE_TC);
    EXPECT_TRUE(refuse_place(rule, host()));
    EXPECT_THAT(place_warnings({rule}, host()), IsEmpty());
}

TEST(Place, ABondsPortHasNotItsAddresses) {
    const auto warnings = place_warnings({spec("80:3000", kEth3, BP_ENGINE_TC)}, host());
    ASSERT_THAT(warnings, SizeIs(1));
    EXPECT_THAT(warnings[0].message, HasSubstr("eth3 is a port of bond0"));
    EXPECT_THAT(warnings[0].hint, HasSubstr("attach to bond0"));
    EXPECT_THAT(place_warnings({spec("80:3000", kBond0, BP_ENGINE_TC)}, host()), IsEmpty());
}

// An address of an interface, or a prefix that is local as a whole (AnyIP).
TEST(Place, AnAddressThatTheHostLacksIsNamed) {
    NetworkView view = host();
    for (const char* address : {"192.0.2.200", "2001:db8::1"})
        view.addresses.push_back({kEth1, *parse_address(address)});
    view.local_prefixes = {*parse_prefix("192.0.2.200"), *parse_prefix("198.51.100.0/24")};
    const auto warned = [&](const char* rule) {
        const auto warnings = place_warnings({spec(rule, kEth1, BP_ENGINE_TC)}, view);
        return warnings.empty() ? std::string() : warnings[0].message + "; " + warnings[0].hint;
    };
    for (const char* local :
         {"80:3000", "192.0.2.200:80:3000", "192.0.2.0/24:80:3000", "192.0.2.128/25:80:3000",
          "[2001:db8::/32]:80:3000", "198.51.100.7:80:3000", "198.51.0.0/16:80:3000",
          "198.51.100.64/26:80:3000", "127.0.0.0/8:80:3000", "0.0.0.0/0:80:3000"})
        EXPECT_EQ(warned(local), "") << local;
    EXPECT_THAT(warned("192.0.2.0/25:80:3000"), HasSubstr("no address within 192.0.2.0/25"));
    EXPECT_THAT(warned("192.0.2.0/25:80:3000"),
                HasSubstr("ip route add local 192.0.2.0/25 dev lo"));
    EXPECT_THAT(warned("[2001:db8:1::/64]:80:3000"), HasSubstr("within 2001:db8:1::/64"));
    EXPECT_THAT(warned("192.0.2.1:80:3000"), HasSubstr("no interface of this host has 192.0.2.1"));
}

std::string doctor_says(const RuleView& rule) {
    NetworkFacts facts;
    facts.network = host();
    facts.host.interfaces = facts.network.interfaces;
    Findings findings;
    check_rule(rule, {rule}, facts, findings);
    std::string text;
    for (const auto& finding : findings) text += finding.text + '\n';
    return text;
}

TEST(Place, DoctorKnowsThatAVrfsPortsHaveItsAddresses) {
    RuleView rule{.rule = spec("80:3000", kEth1, BP_ENGINE_TC), .scope = {}};
    EXPECT_THAT(doctor_says(rule), HasSubstr("eth1 has no address"));
    rule.rule = spec("80:3000", kRed, BP_ENGINE_SKLOOKUP);
    EXPECT_THAT(doctor_says(rule), Not(HasSubstr("red has no address")));
    EXPECT_THAT(doctor_says(rule), Not(HasSubstr("red is a VRF")));
    // Multipath TCP: tc would have to serve it.
    rule.by_tc = true;
    rule.rule.flags |= BP_RULE_FALLBACK;
    EXPECT_THAT(doctor_says(rule), HasSubstr("red is a VRF"));
}

} // namespace
} // namespace bpfport
