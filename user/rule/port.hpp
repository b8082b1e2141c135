// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Ports in host byte order: one, a range, and a list of ranges.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bpfport {

// Both ends belong to it; first <= last.
struct PortRange {
    std::uint16_t first = 0;
    std::uint16_t last = 0;

    [[nodiscard]] unsigned size() const { return last - first + 1U; }
    [[nodiscard]] bool contains(std::uint16_t port) const { return first <= port && port <= last; }
    [[nodiscard]] bool overlaps(PortRange other) const {
        return first <= other.last && other.first <= last;
    }
    [[nodiscard]] std::string to_string() const; // 80, 8000-8010

    auto operator<=>(const PortRange&) const = default;
};

using PortList = std::vector<PortRange>;

// Decimal digits only: no sign, space, base prefix or leading zero ("010" is 8 to some programs and
// 10 to others). Accepts 0, which the kernel's own lists may hold. nullopt for all else.
std::optional<std::uint16_t> parse_port_number(std::string_view text);

// "80,8000-8010", the form of net.ipv4.ip_local_reserved_ports; "" is an empty list. nullopt when
// malformed.
std::optional<PortList> parse_port_list(std::string_view text);
std::string to_string(const PortList& ports);

// Of two that overlap.
PortRange common(PortRange a, PortRange b);
// Sorted, with what overlaps or touches joined.
PortList merged(PortList ports);
// Whether a list as merged() returns it has one of these ports.
bool have_any(const PortList& merged, PortRange range);
// The ports of `range` that are not in `ports`, in order.
PortList missing_from(const PortList& ports, PortRange range);

} // namespace bpfport
