// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What a network device says of itself by the "netdev" generic netlink family (Linux 6.3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace bpfport {

// Whether the driver runs XDP programs itself (native mode). nullopt: the kernel doesn't tell.
std::optional<bool> has_native_xdp(unsigned ifindex);

// The parsers. Families of the controller's dump -> the id of the one with this name.
std::optional<std::uint16_t> parse_family_id(std::span<const std::byte> messages,
                                             std::string_view name);
// Devices of NETDEV_CMD_DEV_GET's dump -> NETDEV_A_DEV_XDP_FEATURES of this one.
std::optional<std::uint64_t> parse_xdp_features(std::span<const std::byte> messages,
                                                unsigned ifindex);

} // namespace bpfport
