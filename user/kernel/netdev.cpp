// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/netdev.hpp"

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>

#include "kernel/netlink_dump.hpp"

namespace bpfport {

namespace {

// include/uapi/linux/netdev.h of 6.3
constexpr std::uint8_t kDevGet = 1;
constexpr std::uint16_t kIfindex = 1;
constexpr std::uint16_t kXdpFeatures = 3;
constexpr std::uint64_t kBasic = 1; // NETDEV_XDP_ACT_BASIC: aborted, drop, pass, tx

Result<std::vector<std::byte>> dump(std::uint16_t family, std::uint8_t command) {
    alignas(nlmsghdr) char buffer[64];
    nlmsghdr* request = mnl_nlmsg_put_header(buffer);
    request->nlmsg_type = family;
    auto* header =
        static_cast<genlmsghdr*>(mnl_nlmsg_put_extra_header(request, sizeof(genlmsghdr)));
    header->cmd = command;
    header->version = 1;
    return netlink_dump(NETLINK_GENERIC, request, "ask for device features");
}

} // namespace

std::optional<std::uint16_t> parse_family_id(std::span<const std::byte> messages,
                                             std::string_view name) {
    std::optional<std::uint16_t> found;
    for_each_message(messages, [&](const nlmsghdr* message) {
        std::optional<std::uint16_t> id;
        bool named = false;
        for_each_attribute(attributes_of(message, sizeof(genlmsghdr)),
                           [&](std::uint16_t type, std::span<const std::byte> payload) {
                               if (type == CTRL_ATTR_FAMILY_ID)
                                   id = value_of<std::uint16_t>(payload);
                               if (type != CTRL_ATTR_FAMILY_NAME || payload.empty()) return;
                               std::string_view text(reinterpret_cast<const char*>(payload.data()),
                                                     payload.size() - 1); // less its zero
                               named = text == name;
                           });
        if (named && id) found = id;
    });
    return found;
}

std::optional<std::uint64_t> parse_xdp_features(std::span<const std::byte> messages,
                                                unsigned ifindex) {
    std::optional<std::uint64_t> found;
    for_each_message(messages, [&](const nlmsghdr* message) {
        std::optional<std::uint64_t> features;
        std::optional<std::uint32_t> index;
        for_each_attribute(attributes_of(message, sizeof(genlmsghdr)),
                           [&](std::uint16_t type, std::span<const std::byte> payload) {
                               if (type == kIfindex) index = value_of<std::uint32_t>(payload);
                               if (type == kXdpFeatures)
                                   features = value_of<std::uint64_t>(payload);
                           });
        if (features && index == ifindex) found = features;
    });
    return found;
}

std::optional<bool> has_native_xdp(unsigned ifindex) {
    auto families = dump(GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
    if (!families) return std::nullopt;
    auto family = parse_family_id(*families, "netdev");
    if (!family) return std::nullopt;
    auto devices = dump(*family, kDevGet);
    if (!devices) return std::nullopt;
    auto features = parse_xdp_features(*devices, ifindex);
    if (!features) return std::nullopt;
    return (*features & kBasic) != 0;
}

} // namespace bpfport
