// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rule/address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace bpfport {

namespace {
constexpr std::array<std::uint8_t, 12> kV4Prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::size_t kV4Offset = kV4Prefix.size();
} // namespace

Address Address::from_v4(const void* four_bytes) {
    Address address;
    std::ranges::copy(kV4Prefix, address.bytes.begin());
    std::memcpy(address.bytes.data() + kV4Offset, four_bytes, 4);
    return address;
}

Address Address::from_v6(const void* sixteen_bytes) {
    Address address;
    std::memcpy(address.bytes.data(), sixteen_bytes, address.bytes.size());
    return address;
}

bool Address::is_v4() const {
    return std::equal(kV4Prefix.begin(), kV4Prefix.end(), bytes.begin());
}

bool Address::is_any() const {
    auto first = bytes.begin() + (is_v4() ? kV4Offset : 0);
    return std::all_of(first, bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

bool Address::is_loopback() const {
    if (is_v4()) return bytes[kV4Offset] == 127;
    constexpr std::array<std::uint8_t, 16> kLoopback{0, 0, 0, 0, 0, 0, 0, 0,
                                                     0, 0, 0, 0, 0, 0, 0, 1};
    return bytes == kLoopback;
}

bool Address::is_multicast() const {
    if (!is_v4()) return bytes[0] == 0xff;
    bool broadcast =
        std::all_of(bytes.begin() + kV4Offset, bytes.end(), [](auto byte) { return byte == 0xff; });
    return broadcast || (bytes[kV4Offset] & 0xf0) == 0xe0;
}

std::string Address::to_string() const {
    char text[INET6_ADDRSTRLEN];
    if (is_v4()) return inet_ntop(AF_INET, bytes.data() + kV4Offset, text, sizeof text);
    return inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
}

std::optional<Address> parse_address(std::string_view text) {
    // inet_pton reads up to a NUL; an argument that holds one is not an address.
    if (text.find('\0') != std::string_view::npos) return std::nullopt;
    std::string terminated(text);
    std::array<std::uint8_t, 16> bytes{};
    if (inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1)
        return Address::from_v4(bytes.data());
    if (inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1)
        return Address::from_v6(bytes.data());
    return std::nullopt;
}

} // namespace bpfport
