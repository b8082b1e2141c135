// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Many rules on one port: the programs search lists of addresses and of clients.
#include "prog/decisions.hpp"

namespace bpfport::test {
namespace {

// The programs find in a large set what a small one has: the first, the last and what is between.
TEST_P(Decisions, AnyNumberOfAddressesOnAPort) {
    std::vector<std::string> texts;
    for (unsigned i = 0; i < 250; ++i) {
        texts.push_back(fmt::format("192.0.2.{}:80:{}", i, 3000 + i));
        texts.push_back(fmt::format("[2001:db8::{:x}]:80:{}", i, 4000 + i));
    }
    std::vector<LabRule> rules;
    for (const auto& text : texts) rules.push_back({text});
    lab().rules(rules);
    for (unsigned i = 0; i < 250; ++i)
        for (const bool ipv6 : {false, true}) {
            Ends ends = Ends::in(ipv6, false);
            ends.to =
                (ipv6 ? fmt::format("2001:db8::{:x}", i) : fmt::format("192.0.2.{}", i)).c_str();
            lab().own(ends.to, lab().eth0());
            ASSERT_EQ(port_in(opening(ends)), (ipv6 ? 4000 : 3000) + i);
        }
    for (const char* outside : {"192.0.2.250", "192.0.3.0", "192.0.1.255"}) {
        Ends ends = Ends::in(false, false);
        ends.to = outside;
        EXPECT_EQ(port_in(opening(ends)), kListen) << outside;
    }
}

// 80 client prefixes of each family with a target each, one within another, behind them all but some, then all.
TEST_P(Decisions, AnyNumberOfClientsOnAPort) {
    std::vector<std::string> texts{"80:5000", "80:5001@-198.51.0.0/16,-2001:db8:f::/48"};
    for (unsigned i = 0; i < 40; ++i) {
        texts.push_back(fmt::format("80:{}@198.51.{}.0/24,2001:db8:f:{:x}::/64", 3000 + i, i, i));
        texts.push_back(fmt::format("80:{}@198.51.{}.7,2001:db8:f:{:x}::7", 4000 + i, i, i));
    }
    std::vector<LabRule> rules;
    for (const auto& text : texts) rules.push_back({text});
    lab().rules(rules);
    const auto target = [&](bool ipv6, const std::string& from) {
        Ends ends = Ends::in(ipv6, false);
        ends.from = from.c_str();
        return port_in(opening(ends));
    };
    for (unsigned i = 0; i < 40; ++i)
        for (const unsigned host : {1U, 6U, 7U, 8U}) {
            const unsigned wanted = (host == 7 ? 4000 : 3000) + i;
            ASSERT_EQ(target(false, fmt::format("198.51.{}.{}", i, host)), wanted);
            ASSERT_EQ(target(true, fmt::format("2001:db8:f:{:x}::{}", i, host)), wanted);
        }
    EXPECT_EQ(target(false, "198.51.40.1"), 5000);
    EXPECT_EQ(target(true, "2001:db8:f:28::1"), 5000);
    EXPECT_EQ(target(false, "198.50.255.255"), 5001);
    EXPECT_EQ(target(true, "2001:db8:10::1"), 5001);
    lab().rules({{"80:3000@198.51.0.0/16,2001:db8:f::/48,-198.51.9.0/24"}});
    EXPECT_EQ(target(false, "198.51.8.255"), 3000);
    EXPECT_EQ(target(false, "198.51.9.1"), kListen);
    EXPECT_EQ(target(false, "198.52.0.0"), kListen);
    EXPECT_EQ(target(true, "2001:db8:f:ffff::1"), 3000);
    EXPECT_EQ(target(true, "2001:db8:10::1"), kListen);
    EXPECT_EQ(lab().outcomes(), "other_client 3");
}

} // namespace
} // namespace bpfport::test
