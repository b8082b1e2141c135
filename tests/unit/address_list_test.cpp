// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Whose rules a local client of each address takes.
#include "engine/address_list.hpp"

#include <gtest/gtest.h>
#include <linux/if.h>

namespace bpfport {
namespace {

InterfaceAddress on(unsigned ifindex, const char* address) {
    return {ifindex, parse_address(address).value(), 32};
}

RuleSpec rule_on(unsigned ifindex) { return {0, parse_rules("80:3000").value().front(), ifindex}; }

Interface interface(unsigned ifindex, const char* name, unsigned flags, const char* kind) {
    Interface made;
    made.ifindex = ifindex;
    made.name = name;
    made.flags = flags;
    made.kind = kind;
    return made;
}

const std::vector<Interface> kInterfaces = {interface(1, "lo", IFF_LOOPBACK, ""),
                                            interface(2, "eth0", 0, ""),
                                            interface(3, "dummy0", 0, "dummy")};

std::uint32_t owner(const std::vector<InterfaceAddress>& addresses,
                    const std::vector<RuleSpec>& rules, const char* address) {
    return address_owners(addresses, kInterfaces, rules).at(parse_address(address).value());
}

TEST(AddressList, AnInterfacesAddressesAreItsOwn) {
    EXPECT_EQ(owner({on(2, "192.0.2.1")}, {rule_on(2)}, "192.0.2.1"), 2U);
    EXPECT_EQ(owner({on(2, "192.0.2.1")}, {rule_on(3)}, "192.0.2.1"), 2U);
    EXPECT_EQ(owner({on(9, "192.0.2.1")}, {rule_on(2)}, "192.0.2.1"), 9U) << "made meanwhile";
}

TEST(AddressList, ThoseOfLoAndOfDummiesAreEverybodys) {
    EXPECT_EQ(owner({on(1, "192.0.2.1")}, {rule_on(2)}, "192.0.2.1"), 0U);
    EXPECT_EQ(owner({on(3, "192.0.2.1")}, {rule_on(2)}, "192.0.2.1"), 0U);
    EXPECT_EQ(owner({on(3, "192.0.2.1")}, {rule_on(2), rule_on(3)}, "192.0.2.1"), 3U);
}

TEST(AddressList, OnTwoInterfacesItIsTheOneClientsComeBy) {
    EXPECT_EQ(owner({on(1, "192.0.2.1"), on(2, "192.0.2.1")}, {rule_on(2)}, "192.0.2.1"), 2U);
    EXPECT_EQ(owner({on(2, "192.0.2.1"), on(1, "192.0.2.1")}, {rule_on(2)}, "192.0.2.1"), 2U);
}

} // namespace
} // namespace bpfport
