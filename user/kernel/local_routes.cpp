// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/local_routes.hpp"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

#include "kernel/netlink_dump.hpp"

namespace bpfport {

namespace {

std::optional<Prefix> parse(const nlmsghdr* message) {
    if (message->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(message) < sizeof(rtmsg))
        return std::nullopt;
    auto* route = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
    bool v4 = route->rtm_family == AF_INET;
    unsigned bits = v4 ? 32 : 128;
    if (route->rtm_type != RTN_LOCAL || route->rtm_dst_len > bits) return std::nullopt;
    constexpr std::array<std::uint8_t, 4> kAny{};
    std::optional<Address> prefix = v4 ? Address::from_v4(kAny.data()) : Address{};
    for_each_attribute(attributes_of(message, sizeof *route), [&](auto type, auto payload) {
        if (type != RTA_DST) return;
        if (payload.size() * 8 != bits)
            prefix = std::nullopt;
        else
            prefix = v4 ? Address::from_v4(payload.data()) : Address::from_v6(payload.data());
    });
    if (!prefix) return std::nullopt;
    return Prefix{*prefix, route->rtm_dst_len + 128 - bits};
}

} // namespace

std::vector<Prefix> parse_local_prefixes(std::span<const std::byte> messages) {
    std::vector<Prefix> prefixes;
    for_each_message(messages, [&](const nlmsghdr* message) {
        if (auto prefix = parse(message)) prefixes.push_back(*prefix);
    });
    return prefixes;
}

// The kernel gives only what is asked for where it can (4.20): a router's tables are long.
Result<std::vector<Prefix>> local_prefixes() {
    std::vector<Prefix> prefixes;
    for (unsigned char family : {AF_INET, AF_INET6}) {
        alignas(nlmsghdr) std::array<char, 64> buffer{};
        nlmsghdr* request = mnl_nlmsg_put_header(buffer.data());
        request->nlmsg_type = RTM_GETROUTE;
        auto* route = static_cast<rtmsg*>(mnl_nlmsg_put_extra_header(request, sizeof(rtmsg)));
        route->rtm_family = family;
        route->rtm_type = RTN_LOCAL;
        auto messages = netlink_dump(NETLINK_ROUTE, request, "list local routes", Check::kStrict);
        if (!messages) return std::unexpected(messages.error());
        std::ranges::copy(parse_local_prefixes(*messages), std::back_inserter(prefixes));
    }
    return prefixes;
}

} // namespace bpfport
