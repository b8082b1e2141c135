// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Frames of conversations, compared: what is chance in them, and how they read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "harness/capture.hpp"

namespace bpfport::test {

// The frame with its identification, initial sequence number and time stamp taken out, and each
// checksum that is right replaced by 0xffff. A quoted packet stays as it is.
Bytes without_chance(const Captured& frame, std::optional<std::uint32_t> server_isn);

// " [S.] 5 bytes", " port unreachable"; without addresses and ports.
std::string in_words(const Captured& frame);

std::size_t data_size(const Captured& frame);     // the bytes that follow the transport header
std::uint8_t tcp_flags(const Captured& frame);    // SYN, FIN, RST, ACK; 0 when it is not TCP
std::uint32_t sequence_of(const Captured& frame); // TCP

} // namespace bpfport::test
