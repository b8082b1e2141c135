// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "rule/prefix.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace bpfport {

namespace {

constexpr unsigned kBits = Prefix::kBits, kMappedBits = Prefix::kMappedBits;

// Of a byte of an address, the bits that a prefix of this length has of it, `bit` being its first.
std::uint8_t mask_of_byte(unsigned length, unsigned bit) {
    if (length >= bit + 8) return 0xff;
    return length <= bit ? 0 : static_cast<std::uint8_t>(0xffU << (8 - (length - bit)));
}

std::optional<unsigned> length_of(std::string_view text, bool v4) {
    unsigned most = v4 ? kBits - kMappedBits : kBits, length = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (error != std::errc() || end != text.data() + text.size()) {
        auto mask = parse_address(text); // 255.255.255.0
        if (!mask || mask->is_v4() != v4) return std::nullopt;
        if (v4) std::ranges::fill_n(mask->bytes.begin(), kMappedBits / 8, 0xff);
        return mask_length(*mask);
    }
    if (length > most) return std::nullopt;
    return v4 ? kMappedBits + length : length;
}

} // namespace

bool Prefix::contains(const Address& other) const {
    const auto &ours = address.bytes, &theirs = other.bytes;
    const unsigned whole = length / 8;
    if (address.is_v4() != other.is_v4() ||
        !std::equal(ours.begin(), ours.begin() + whole, theirs.begin()))
        return false;
    return whole == ours.size() ||
           !((ours[whole] ^ theirs[whole]) & mask_of_byte(length, whole * 8));
}

bool Prefix::overlaps(const Prefix& other) const {
    return length <= other.length ? contains(other.address) : other.contains(address);
}

bool Prefix::has_loopback() const {
    static const Prefix loopbacks[] = {*parse_prefix("127.0.0.0/8"), *parse_prefix("::1")};
    return std::ranges::any_of(loopbacks, [&](const Prefix& one) { return overlaps(one); });
}

Address Prefix::mask() const {
    Address mask;
    for (unsigned at = 0; at < mask.bytes.size(); at++)
        mask.bytes[at] = mask_of_byte(length, at * 8);
    return mask;
}

Prefix Prefix::masked() const {
    Prefix result = *this;
    const Address ones = mask();
    for (unsigned at = 0; at < ones.bytes.size(); at++) result.address.bytes[at] &= ones.bytes[at];
    return result;
}

std::optional<unsigned> mask_length(const Address& mask) {
    unsigned length = 0;
    while (length < kBits && (mask.bytes[length / 8] & (0x80U >> length % 8))) length++;
    return mask == Prefix{{}, length}.mask() ? std::optional(length) : std::nullopt;
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
