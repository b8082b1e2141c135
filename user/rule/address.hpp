// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// An IP address. IPv4 is kept as v4-mapped IPv6 (::ffff:a.b.c.d), as in the rule table and the flow
// keys, so that nothing past this file asks which family it has. Sixteen bytes in network order.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bpfport {

struct Address {
    std::array<std::uint8_t, 16> bytes{};

    static Address from_v4(const void* four_bytes);
    static Address from_v6(const void* sixteen_bytes);

    [[nodiscard]] bool is_v4() const;
    [[nodiscard]] bool is_any() const;           // :: or 0.0.0.0
    [[nodiscard]] bool is_loopback() const;      // ::1 or 127.0.0.0/8
    [[nodiscard]] bool is_multicast() const;     // multicast, or 255.255.255.255
    [[nodiscard]] std::string to_string() const; // 192.0.2.1, 2001:db8::1

    auto operator<=>(const Address&) const = default;
};

// 192.0.2.1 or 2001:db8::1, without brackets, zone or prefix length. Nothing else, and no names.
std::optional<Address> parse_address(std::string_view text);

} // namespace bpfport
