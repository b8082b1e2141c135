// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Interfaces and addresses, from the kernel and from bytes; and the names offered for a wrong one.
#include "kernel/netlink.hpp"

#include <linux/if_arp.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "own_netns.hpp"

namespace bpfport {
namespace {

TEST(Netlink, ListsLoopback) {
    auto lo = find_interface("lo");
    ASSERT_TRUE(lo) << lo.error().message;
    EXPECT_TRUE(lo->is_loopback());
    EXPECT_TRUE(lo->has_ethernet_header());
    EXPECT_EQ(lo->type, ARPHRD_LOOPBACK);
    EXPECT_EQ(lo->mtu, 65536U);
    EXPECT_EQ(lo->kind, "");
    EXPECT_EQ(lo->master, 0U);
    EXPECT_EQ(find_interface(lo->ifindex).value().name, "lo");
    EXPECT_FALSE(find_interface(0x7fffffffU));
}

TEST(Netlink, ListsAddresses) {
    auto refusal = in_own_netns([] {
        auto addresses = interface_addresses();
        ASSERT_TRUE(addresses) << addresses.error().message;
        std::vector<std::string> text;
        for (const InterfaceAddress& one : *addresses)
            text.push_back(one.address.to_string() + "/" + std::to_string(one.prefix_length));
        EXPECT_THAT(text, testing::IsSupersetOf({"127.0.0.1/8", "::1/128"}));
    });
    if (!refusal.empty()) GTEST_SKIP() << refusal;
}

TEST(Netlink, AnswersAnUnknownName) {
    auto refusal = in_own_netns([] {
        auto found = find_interface("l0");
        ASSERT_FALSE(found);
        EXPECT_EQ(found.error().code, ENODEV);
        EXPECT_EQ(found.error().message, "no interface \"l0\" in this network namespace");
        EXPECT_THAT(found.error().hint, testing::HasSubstr("did you mean lo?"));
    });
    if (!refusal.empty()) GTEST_SKIP() << refusal;
}

TEST(SuggestName, OffersTheNearestOrAll) {
    std::vector<std::string> few{"lo", "eth0", "wlan0"};
    EXPECT_EQ(suggest_name("eht0", few), "there are lo, eth0, wlan0");
    EXPECT_EQ(suggest_name("eth1", few), "did you mean eth0? there are lo, eth0, wlan0");
    EXPECT_EQ(suggest_name("wlan", few), "did you mean wlan0? there are lo, eth0, wlan0");
    EXPECT_EQ(suggest_name("ETH0", few), "did you mean eth0? there are lo, eth0, wlan0");
    EXPECT_EQ(suggest_name("docker0", few), "there are lo, eth0, wlan0");
    std::vector<std::string> many;
    for (int i = 0; i < 50; ++i) many.push_back("veth" + std::to_string(i));
    EXPECT_EQ(suggest_name("vet7", many), "did you mean veth7?");
    EXPECT_EQ(suggest_name("eno1np0", many), "");
    EXPECT_EQ(suggest_name("x", {}), "");
    EXPECT_EQ(suggest_name("", std::vector<std::string>{"lo"}), "there is lo");
}

// A message put together by hand.
class Message {
  public:
    template <typename Header> Message(std::uint16_t type, const Header& header) {
        nlmsghdr start{};
        start.nlmsg_type = type;
        append(&start, sizeof start);
        append(&header, sizeof header);
    }
    Message& attribute(std::uint16_t type, std::string_view payload) {
        nlattr header{static_cast<std::uint16_t>(NLA_HDRLEN + payload.size()), type};
        append(&header, sizeof header);
        append(payload.data(), payload.size());
        return *this;
    }
    std::vector<std::byte> bytes() const {
        auto result = bytes_;
        auto length = static_cast<std::uint32_t>(result.size());
        std::memcpy(result.data(), &length, sizeof length);
        return result;
    }

  private:
    void append(const void* data, std::size_t size) {
        auto* first = static_cast<const std::byte*>(data);
        bytes_.insert(bytes_.end(), first, first + size);
        bytes_.resize(NLMSG_ALIGN(bytes_.size()));
    }
    std::vector<std::byte> bytes_;
};

TEST(ParseLinks, ReadsWhatItKnows) {
    using namespace std::string_view_literals;
    ifinfomsg header{};
    header.ifi_index = 7;
    header.ifi_type = ARPHRD_ETHER;
    header.ifi_flags = IFF_UP;
    auto bytes = Message(RTM_NEWLINK, header)
                     .attribute(IFLA_IFNAME, "veth1\0"sv)
                     .attribute(IFLA_MTU, "\xdc\x05\0\0"sv)
                     .attribute(IFLA_ADDRESS, "\x02\0\0\0\0\x01"sv)
                     .attribute(IFLA_LINKINFO | NLA_F_NESTED, "\x09\0\x01\0veth\0\0\0\0"sv)
                     .attribute(IFLA_MASTER, "\x03\0\0\0"sv)
                     .bytes();
    auto links = parse_links(bytes);
    ASSERT_EQ(links.size(), 1U);
    EXPECT_EQ(links[0].ifindex, 7U);
    EXPECT_EQ(links[0].name, "veth1");
    EXPECT_EQ(links[0].mtu, 1500U);
    EXPECT_THAT(links[0].link_address, testing::ElementsAre(2, 0, 0, 0, 0, 1));
    EXPECT_EQ(links[0].kind, "veth");
    EXPECT_EQ(links[0].master, 3U);
    EXPECT_TRUE(links[0].is_up());

    // Cut anywhere, it is read as far as it goes, and never beyond.
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        std::vector<std::byte> cut(bytes.begin(), bytes.begin() + static_cast<long>(size));
        EXPECT_TRUE(parse_links(cut).empty());
        if (size < sizeof(nlmsghdr)) continue;
        auto length = static_cast<std::uint32_t>(size);
        std::memcpy(cut.data(), &length, sizeof length);
        EXPECT_LE(parse_links(cut).size(), 1U);
    }
}

// Found by fuzzing: as an int such a length is negative, and so no longer than what is left.
TEST(ParseLinks, EndsAtALengthAboveIntMax) {
    auto bytes = Message(RTM_NEWLINK, ifinfomsg{}).bytes();
    auto more = bytes;
    for (std::uint32_t length : {0xffffffffU, 0x80000020U}) {
        std::memcpy(more.data(), &length, sizeof length);
        auto both = bytes;
        both.insert(both.end(), more.begin(), more.end());
        EXPECT_EQ(parse_links(both).size(), 1U);
    }
}

TEST(ParseAddresses, PrefersTheLocalEnd) {
    using namespace std::string_view_literals;
    ifaddrmsg header{};
    header.ifa_family = AF_INET;
    header.ifa_prefixlen = 32;
    header.ifa_index = 5;
    auto bytes = Message(RTM_NEWADDR, header)
                     .attribute(IFA_ADDRESS, "\x0a\0\0\x02"sv)
                     .attribute(IFA_LOCAL, "\x0a\0\0\x01"sv)
                     .bytes();
    auto addresses = parse_addresses(bytes);
    ASSERT_EQ(addresses.size(), 1U);
    EXPECT_EQ(addresses[0].address.to_string(), "10.0.0.1");
    EXPECT_EQ(addresses[0].ifindex, 5U);
    EXPECT_TRUE(parse_addresses(Message(RTM_NEWADDR, header).bytes()).empty());
    EXPECT_TRUE(parse_links(bytes).empty());
}

} // namespace
} // namespace bpfport
