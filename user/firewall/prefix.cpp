// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "firewall/prefix.hpp"

#include <charconv>

#include <fmt/format.h>

namespace bpfport {

namespace {

constexpr unsigned kBits = 128, kMappedBits = 96;

// The length that a mask such as 255.255.255.0 says; nullopt: it is none.
std::optional<unsigned> mask_length(std::string_view text) {
    auto mask = parse_address(text);
    if (!mask) return std::nullopt;
    unsigned length = mask->is_v4() ? kMappedBits : 0;
    while (length < kBits && (mask->bytes[length / 8] & (0x80U >> length % 8))) length++;
    for (unsigned bit = length; bit < kBits; bit++)
        if (mask->bytes[bit / 8] & (0x80U >> bit % 8)) return std::nullopt;
    return length;
}

std::optional<unsigned> length_of(std::string_view text, bool v4) {
    unsigned most = v4 ? kBits - kMappedBits : kBits, length = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (error != std::errc() || end != text.data() + text.size()) return mask_length(text);
    if (length > most) return std::nullopt;
    return v4 ? kMappedBits + length : length;
}

} // namespace

bool Prefix::contains(const Address& other) const {
    if (address.is_v4() != other.is_v4()) return false;
    for (unsigned bit = 0; bit < length; bit += 8) {
        unsigned left = length - bit;
        unsigned mask = left >= 8 ? 0xffU : 0xffU << (8 - left) & 0xffU;
        if ((address.bytes[bit / 8] & mask) != (other.bytes[bit / 8] & mask)) return false;
    }
    return true;
}

std::string Prefix::to_string() const {
    if (length == kBits) return address.to_string();
    return fmt::format("{}/{}", address.to_string(),
                       address.is_v4() ? length - kMappedBits : length);
}

std::optional<Prefix> parse_prefix(std::string_view text) {
    auto slash = text.find('/');
    auto address = parse_address(text.substr(0, slash));
    if (!address) return std::nullopt;
    if (slash == std::string_view::npos) return Prefix{*address};
    auto length = length_of(text.substr(slash + 1), address->is_v4());
    if (!length) return std::nullopt;
    return Prefix{*address, *length};
}

} // namespace bpfport
