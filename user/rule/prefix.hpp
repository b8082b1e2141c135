// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Prefix: the addresses that begin with the same bits, as rules and packet filters write them.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "rule/address.hpp"

namespace bpfport {

struct Prefix {
    static constexpr unsigned kBits = 128;      // of one address
    static constexpr unsigned kMappedBits = 96; // of all IPv4 addresses

    Address address;
    unsigned length = kBits; // of 16 bytes: IPv4's own length and 96

    [[nodiscard]] bool is_v4() const { return address.is_v4(); }
    [[nodiscard]] bool is_one_address() const { return length == kBits; }
    // An IPv6 prefix never contains an IPv4 address, though it may begin with the same bits.
    [[nodiscard]] bool contains(const Address& other) const;
    [[nodiscard]] bool overlaps(const Prefix& other) const; // one of the two contains the other
    [[nodiscard]] bool has_loopback() const;                // of 127.0.0.0/8 or ::1
    [[nodiscard]] Prefix masked() const;                    // without bits behind the length
    [[nodiscard]] Address mask() const;                     // ones, as many as the length
    [[nodiscard]] std::string to_string() const; // 192.0.2.0/24; of one address 2001:db8::1

    auto operator<=>(const Prefix&) const = default;
};

// The length of a prefix with this mask; nullopt: ones behind a zero.
std::optional<unsigned> mask_length(const Address& mask);

// 192.0.2.1, 192.0.2.0/24, 192.0.2.0/255.255.255.0, 2001:db8::/32.
std::optional<Prefix> parse_prefix(std::string_view text);

} // namespace bpfport
