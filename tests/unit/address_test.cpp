// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What rules are made of: addresses, prefixes, lists of ports.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rule/address.hpp"
#include "rule/port.hpp"
#include "rule/prefix.hpp"

namespace bpfport {
namespace {

TEST(Prefix, OverlapsWhatContainsItOrLiesWithin) {
    struct Case {
        const char *one, *other;
        bool overlap;
    };
    for (const auto& [one, other, overlap] :
         {Case{"192.0.2.0/24", "192.0.2.7", true}, Case{"192.0.2.0/24", "192.0.0.0/16", true},
          Case{"192.0.2.0/25", "192.0.2.128/25", false}, Case{"192.0.2.1", "192.0.2.1", true},
          Case{"0.0.0.0/0", "192.0.2.1", true}, Case{"0.0.0.0/0", "2001:db8::/32", false},
          Case{"2000::/3", "2001:db8::/32", true}, Case{"2000::/3", "fd00::/8", false}}) {
        SCOPED_TRACE(std::string(one) + " and " + other);
        const auto a = parse_prefix(one).value(), b = parse_prefix(other).value();
        EXPECT_EQ(a.overlaps(b), overlap);
        EXPECT_EQ(b.overlaps(a), overlap);
    }
    EXPECT_TRUE(parse_prefix("127.0.0.53")->has_loopback());
    EXPECT_TRUE(parse_prefix("0.0.0.0/0")->has_loopback());
    EXPECT_TRUE(parse_prefix("::1")->has_loopback());
    EXPECT_FALSE(parse_prefix("10.0.0.0/8")->has_loopback());
    EXPECT_FALSE(parse_prefix("2000::/3")->has_loopback());
}

TEST(Prefix, AMaskGivesItsLength) {
    for (const char* text :
         {"192.0.2.1", "192.0.2.0/25", "0.0.0.0/0", "2001:db8::/31", "2000::/3"}) {
        const auto prefix = parse_prefix(text).value();
        EXPECT_EQ(mask_length(prefix.mask()), prefix.length) << text;
    }
    EXPECT_EQ(mask_length(Address{}), 0U);
    EXPECT_EQ(mask_length(*parse_address("ffff:0:ffff::")), std::nullopt);
}

TEST(Address, KnowsItsKind) {
    struct Case {
        const char* text;
        bool v4, any, loopback, multicast;
    };
    for (const Case& c :
         {Case{"0.0.0.0", true, true, false, false}, Case{"::", false, true, false, false},
          Case{"127.8.0.1", true, false, true, false}, Case{"::1", false, false, true, false},
          Case{"239.255.0.1", true, false, false, true},
          Case{"223.255.255.255", true, false, false, false},
          Case{"ff05::2", false, false, false, true},
          Case{"2001:db8::1", false, false, false, false}}) {
        auto address = parse_address(c.text);
        ASSERT_TRUE(address) << c.text;
        EXPECT_EQ(address->to_string(), c.text);
        EXPECT_EQ(address->is_v4(), c.v4) << c.text;
        EXPECT_EQ(address->is_any(), c.any) << c.text;
        EXPECT_EQ(address->is_loopback(), c.loopback) << c.text;
        EXPECT_EQ(address->is_multicast(), c.multicast) << c.text;
    }
}

TEST(PortList, IsReadAsTheKernelWritesIt) {
    EXPECT_EQ(parse_port_list(""), PortList{});
    EXPECT_EQ(parse_port_list("80"), (PortList{{80, 80}}));
    EXPECT_EQ(parse_port_list("80,8000-8010"), (PortList{{80, 80}, {8000, 8010}}));
    for (const char* bad : {",", "80,", ",80", "80-", "-80", "90-80", "80 ,90", "65536", "a"})
        EXPECT_EQ(parse_port_list(bad), std::nullopt) << bad;
}

TEST(PortList, MergesAndSubtracts) {
    EXPECT_EQ(to_string(merged({{90, 95}, {80, 85}, {86, 89}, {82, 83}})), "80-95");
    EXPECT_EQ(to_string(merged({{65535, 65535}, {1, 65534}})), "1-65535");
    EXPECT_EQ(to_string(missing_from({}, {80, 90})), "80-90");
    EXPECT_EQ(to_string(missing_from({{1, 65535}}, {80, 90})), "");
    EXPECT_EQ(to_string(missing_from({{82, 84}, {88, 100}}, {80, 90})), "80-81,85-87");
    EXPECT_EQ(to_string(missing_from({{65000, 65535}}, {64999, 65535})), "64999");
}

} // namespace
} // namespace bpfport
