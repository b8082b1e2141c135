// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Interfaces and addresses of the current network namespace, by rtnetlink.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "rule/address.hpp"

namespace bpfport {

struct Interface {
    unsigned ifindex = 0;
    std::string name;
    std::uint16_t type = 0; // ARPHRD_*
    unsigned flags = 0;     // IFF_*
    unsigned mtu = 0;
    std::vector<std::uint8_t> link_address; // empty: it has none (tun, wireguard)
    std::string kind;                       // veth, macvlan, vlan ...; empty for hardware and lo
    unsigned master = 0;                    // ifindex of its bridge, bond or VRF; 0: none

    [[nodiscard]] bool is_loopback() const;
    [[nodiscard]] bool is_up() const;
    // Frames start with an Ethernet header (tc programs see none on tun or wireguard).
    [[nodiscard]] bool has_ethernet_header() const;
};

struct InterfaceAddress {
    unsigned ifindex = 0;
    Address address;
    unsigned prefix_length = 0; // of the family it was written in: up to 32 or 128
};

Result<std::vector<Interface>> interfaces();
Result<std::vector<InterfaceAddress>> interface_addresses();

// Unknown names are answered with the nearest known one, or with all when there are few.
Result<Interface> find_interface(std::string_view name);
Result<Interface> find_interface(unsigned ifindex);
// Of a list that was read before; null: it isn't there.
const Interface* find_interface(const std::vector<Interface>& interfaces, unsigned ifindex);

// The parsers: RTM_NEWLINK and RTM_NEWADDR messages; others and malformed ones are skipped.
std::vector<Interface> parse_links(std::span<const std::byte> messages);
std::vector<InterfaceAddress> parse_addresses(std::span<const std::byte> messages);

// "did you mean eth0?", "there are: lo, eth0", or both; for any list of known names.
std::string suggest_name(std::string_view wrong, std::span<const std::string> known);

} // namespace bpfport
