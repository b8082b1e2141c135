// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What is local: addresses and prefixes, and no broadcast address.
#include "kernel/local_routes.hpp"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "own_netns.hpp"

namespace bpfport {
namespace {

TEST(LocalRoutes, AreListed) {
    auto refusal = in_own_netns([] {
        auto local = local_prefixes();
        ASSERT_TRUE(local) << local.error().message;
        EXPECT_THAT(*local, testing::Contains(Prefix{parse_address("127.0.0.0").value(), 104}));
        EXPECT_THAT(*local, testing::Contains(Prefix{parse_address("127.0.0.1").value(), 128}));
        EXPECT_THAT(*local, testing::Contains(Prefix{parse_address("::1").value(), 128}));
        EXPECT_THAT(*local, testing::Not(testing::Contains(testing::Field(
                                &Prefix::address, parse_address("127.255.255.255").value()))));
    });
    if (!refusal.empty()) GTEST_SKIP() << refusal;
}

// A message whose destination is shorter than its family's, and one that is cut.
TEST(LocalRoutes, MalformedOnesAreSkipped) {
    struct {
        nlmsghdr header{};
        rtmsg route{};
        nlattr attribute{};
        std::array<std::uint8_t, 4> destination{192, 0, 2, 1};
    } message;
    message.header = {sizeof message, RTM_NEWROUTE, 0, 1, 0};
    message.route.rtm_family = AF_INET;
    message.route.rtm_type = RTN_LOCAL;
    message.route.rtm_dst_len = 24;
    message.attribute = {sizeof message.attribute + 4, RTA_DST};
    const auto bytes = std::as_bytes(std::span(&message, 1));
    EXPECT_EQ(parse_local_prefixes(bytes),
              (std::vector{Prefix{parse_address("192.0.2.1").value(), 120}}));
    EXPECT_TRUE(parse_local_prefixes(bytes.first(bytes.size() - 1)).empty());
    message.route.rtm_family = AF_INET6;
    EXPECT_TRUE(parse_local_prefixes(bytes).empty());
    message.route.rtm_family = AF_INET;
    message.route.rtm_type = RTN_BROADCAST;
    EXPECT_TRUE(parse_local_prefixes(bytes).empty());
}

} // namespace
} // namespace bpfport
