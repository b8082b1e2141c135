// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Port ranges from /proc/sys/net, of the namespace that the thread is in.
#include "kernel/sysctl.hpp"

#include <fcntl.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "own_netns.hpp"

namespace bpfport {
namespace {

bool write_sysctl(const char* path, std::string_view text) {
    Fd file(::open(path, O_WRONLY | O_CLOEXEC));
    return ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

TEST(Sysctl, ReadsThisMachines) {
    auto range = local_port_range();
    ASSERT_TRUE(range) << range.error().message;
    EXPECT_LT(range->first, range->last);
    EXPECT_TRUE(reserved_ports());
    auto missing = read_net_sysctl("ipv4/no_such");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().message,
              "open /proc/sys/net/ipv4/no_such: No such file or directory");
}

TEST(Sysctl, FollowsTheThreadsNamespace) {
    auto outside = local_port_range().value();
    auto refusal = in_own_netns([] {
        ASSERT_TRUE(write_sysctl("/proc/sys/net/ipv4/ip_local_port_range", "20000 20999"));
        ASSERT_TRUE(write_sysctl("/proc/sys/net/ipv4/ip_local_reserved_ports", "80,8000-8010"));
        EXPECT_EQ(local_port_range().value(), (PortRange{20000, 20999}));
        EXPECT_EQ(reserved_ports().value(), (PortList{{80, 80}, {8000, 8010}}));
    });
    if (!refusal.empty()) GTEST_SKIP() << refusal;
    EXPECT_EQ(local_port_range().value(), outside);
}

TEST(Sysctl, ReadsTheLongestListWhole) {
    auto refusal = in_own_netns([] {
        PortList odd;
        for (unsigned port = 1; port < 65536; port += 2) {
            auto number = static_cast<std::uint16_t>(port);
            odd.push_back({number, number});
        }
        // The kernel takes a page at a time; what is written at an offset is added.
        for (unsigned first = 0; first < odd.size(); first += 512) {
            PortList part(odd.begin() + first, odd.begin() + first + 512);
            auto held = reserved_ports().value();
            if (held.size() != first) break;
            Fd file(::open("/proc/sys/net/ipv4/ip_local_reserved_ports", O_WRONLY | O_CLOEXEC));
            auto text = to_string(part);
            ASSERT_EQ(::pwrite(file.get(), text.data(), text.size(), first == 0 ? 0 : 1),
                      static_cast<ssize_t>(text.size()));
        }
        EXPECT_EQ(reserved_ports().value(), odd);
    });
    if (!refusal.empty()) GTEST_SKIP() << refusal;
}

TEST(ParsePortRange, TakesTwoPorts) {
    EXPECT_EQ(parse_port_range("32768\t60999"), (PortRange{32768, 60999}));
    EXPECT_EQ(parse_port_range("1 65535"), (PortRange{1, 65535}));
    for (const char* bad : {"", "1", "1\t", "\t1", "2\t1", "1\t65536", "a\tb", "1\t2\t3"})
        EXPECT_EQ(parse_port_range(bad), std::nullopt) << bad;
}

} // namespace
} // namespace bpfport
