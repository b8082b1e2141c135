// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Netlink messages as the kernel sends them: links, addresses, sockets, generic families, devices.
// Every parser gets every input; each takes the messages of its own type.
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>

#include <algorithm>
#include <array>

#include "firewall/ipsec.hpp"
#include "fuzz.hpp"
#include "kernel/netdev.hpp"
#include "kernel/netlink.hpp"
#include "kernel/netlink_dump.hpp"
#include "kernel/sock_diag.hpp"

namespace bpfport {

namespace {

void fuzz_messages(Bytes input) {
    std::size_t messages = 0;
    for_each_message(input, [&](const nlmsghdr*) { messages++; });
    auto links = parse_links(input);
    auto addresses = parse_addresses(input);
    auto sockets = parse_sockets(input, Protocol::kTcp);
    // Message types are of their family: 20 is an address of one, and a socket of the other.
    require(links.size() + addresses.size() <= messages, "a message is of one type");
    require(links.size() + sockets.size() <= messages, "a message is of one type");
    for (const auto& link : links) {
        require(link.name.find('\0') == link.name.npos, "a name ends with its NUL");
        require(link.kind.find('\0') == link.kind.npos, "a kind ends with its NUL");
    }
    for (const auto& one : sockets)
        require(one.socket.ipv6 || (one.socket.local.is_v4() && one.socket.peer.is_v4()),
                "an IPv4 socket has IPv4 addresses");
    parse_family_id(input, "netdev");
    parse_xdp_features(input, 2);
    for (const auto& policy : parse_policies(input))
        require(policy.from.contains(policy.from.address) && policy.to.length <= 128,
                "a policy's prefixes are some");
}

void fuzz_attributes(Bytes input) {
    std::size_t seen = 0;
    for_each_attribute(input, [&](std::uint16_t, Bytes payload) {
        seen += NLA_HDRLEN + payload.size();
        require(payload.data() + payload.size() <= input.data() + input.size(), "inside the span");
    });
    require(seen <= input.size(), "attributes do not overlap");
}

// The input as the name of an interface and as the value that a socket holds.
void fuzz_round_trip(Bytes input) {
    constexpr std::size_t kMost = 512;
    input = input.first(std::min(input.size(), kMost));
    auto length = static_cast<std::uint16_t>(input.size());
    alignas(nlmsghdr) std::array<char, kMost + 256> buffer{};
    nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = RTM_NEWLINK;
    auto* link = static_cast<ifinfomsg*>(mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg)));
    link->ifi_index = 7;
    mnl_attr_put(message, IFLA_IFNAME, length, input.data());
    auto links = parse_links(std::as_bytes(std::span(buffer.data(), message->nlmsg_len)));
    auto name = text_of(input);
    require(links.size() == 1 && links[0].ifindex == 7 &&
                links[0].name == name.substr(0, name.find('\0')),
            "a link is read back", name);

    buffer.fill(0);
    message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    auto* socket =
        static_cast<inet_diag_msg*>(mnl_nlmsg_put_extra_header(message, sizeof(inet_diag_msg)));
    socket->idiag_family = AF_INET6;
    socket->idiag_inode = 99;
    nlattr* storages = mnl_attr_nest_start(message, INET_DIAG_SK_BPF_STORAGES);
    nlattr* storage = mnl_attr_nest_start(message, SK_DIAG_BPF_STORAGE);
    mnl_attr_put_u32(message, SK_DIAG_BPF_STORAGE_MAP_ID, 3);
    mnl_attr_put(message, SK_DIAG_BPF_STORAGE_MAP_VALUE, length, input.data());
    mnl_attr_nest_end(message, storage);
    mnl_attr_nest_end(message, storages);
    auto sockets =
        parse_sockets(std::as_bytes(std::span(buffer.data(), message->nlmsg_len)), Protocol::kTcp);
    require(sockets.size() == 1 && sockets[0].socket.inode == 99 &&
                std::ranges::equal(std::as_bytes(std::span(sockets[0].value)), input),
            "a stored value is read back", name);
}

} // namespace

void fuzz(Bytes input) {
    fuzz_messages(input);
    fuzz_attributes(input);
    fuzz_round_trip(input);
}

} // namespace bpfport
