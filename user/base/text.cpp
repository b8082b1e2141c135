// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "base/text.hpp"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

namespace bpfport {

namespace {

// The length of the sequence that begins the text, and what it encodes; 0: it is none.
std::size_t decode(std::string_view text, std::uint32_t& value) {
    const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
    const std::uint8_t first = byte(0);
    const std::size_t length = first < 0x80         ? 1
                               : first >> 5 == 0x6  ? 2
                               : first >> 4 == 0xe  ? 3
                               : first >> 3 == 0x1e ? 4
                                                    : 0;
    if (length == 0 || length > text.size()) return 0;
    value = length == 1 ? first : first & (0x7fU >> length);
    for (std::size_t i = 1; i < length; i++) {
        if (byte(i) >> 6 != 0x2) return 0;
        value = value << 6 | (byte(i) & 0x3fU);
    }
    constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < kLeast[length] || value > 0x10ffff) return 0; // overlong, or past the end
    return value >= 0xd800 && value <= 0xdfff ? 0 : length;   // a half of a UTF-16 pair
}

bool is_shown(std::uint32_t value) {
    constexpr std::pair<std::uint32_t, std::uint32_t> kHidden[] = {
        {0x00, 0x1f},     {0x7f, 0x9f},     // controls
        {0x200b, 0x200f}, {0x2028, 0x202e}, // without width, separators, directions
        {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}};
    return std::ranges::none_of(
        kHidden, [&](const auto& range) { return value >= range.first && value <= range.second; });
}

} // namespace

std::string printable(std::string_view text) {
    std::string shown;
    shown.reserve(text.size());
    while (!text.empty()) {
        std::uint32_t value = 0;
        const std::size_t length = decode(text, value);
        const std::size_t taken = length ? length : 1;
        for (char c : text.substr(0, taken))
            if (length && is_shown(value))
                shown += c;
            else
                shown += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        text.remove_prefix(taken);
    }
    return shown;
}

} // namespace bpfport
