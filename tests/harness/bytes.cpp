// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/bytes.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

namespace bpfport::test {

void put8(Bytes& out, std::uint8_t value) { out.push_back(value); }

void put16(Bytes& out, std::uint16_t value) {
    put8(out, static_cast<std::uint8_t>(value >> 8));
    put8(out, static_cast<std::uint8_t>(value));
}

void put32(Bytes& out, std::uint32_t value) {
    put16(out, static_cast<std::uint16_t>(value >> 16));
    put16(out, static_cast<std::uint16_t>(value));
}

void put(Bytes& out, ByteView more) { out.insert(out.end(), more.begin(), more.end()); }

std::string hexdump(ByteView bytes, ByteView other) {
    constexpr std::size_t kLine = 16;
    std::string out;
    for (std::size_t line = 0; line < bytes.size(); line += kLine) {
        std::string hex;
        std::string text;
        for (std::size_t i = line; i < std::min(line + kLine, bytes.size()); ++i) {
            const bool differs = !other.empty() && (i >= other.size() || other[i] != bytes[i]);
            hex += fmt::format("{:02x}{}", bytes[i], differs ? '*' : ' ');
            text += std::isprint(bytes[i]) != 0 ? static_cast<char>(bytes[i]) : '.';
        }
        out += fmt::format("{:04x}  {:<48} {}\n", line, hex, text);
    }
    return out;
}

} // namespace bpfport::test
