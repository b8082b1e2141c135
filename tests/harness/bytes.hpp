// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Bytes as they are on the wire, how to write numbers into them, and how to print them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bpfport::test {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

// Network order, appended.
void put8(Bytes& out, std::uint8_t value);
void put16(Bytes& out, std::uint16_t value);
void put32(Bytes& out, std::uint32_t value);
void put(Bytes& out, ByteView more);

// 16 bytes a line: offset, hex, text. With `other`, bytes that differ from it are marked "*".
std::string hexdump(ByteView bytes, ByteView other = {});

} // namespace bpfport::test
