// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Prefix: the addresses that begin with the same bits, as packet filters write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rule/address.hpp"

namespace bpfport {

struct Prefix {
    Address address;
    unsigned length = 128; // of 16 bytes: IPv4's own length and 96

    [[nodiscard]] bool contains(const Address& other) const;
    [[nodiscard]] std::string to_string() const; // 192.0.2.0/24, 2001:db8::1
};

// 192.0.2.1, 192.0.2.0/24, 192.0.2.0/255.255.255.0, 2001:db8::/32.
std::optional<Prefix> parse_prefix(std::string_view text);

} // namespace bpfport
