// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Frames that we make or look at ourselves: a packet from a few words, and what a frame says. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "rule/address.hpp"
#include "rule/rule.hpp"

namespace bpfport {

using Frame = std::vector<std::uint8_t>;
using Mac = std::array<std::uint8_t, 6>;

inline constexpr std::uint8_t kTcpSyn = 0x02, kTcpRst = 0x04, kTcpAck = 0x10;

struct PacketSpec {
    Protocol protocol = Protocol::kTcp;
    Address source;
    std::uint16_t source_port = 0;
    Address destination;
    std::uint16_t destination_port = 0;
    std::uint8_t flags = kTcpSyn; // TCP
    std::uint32_t sequence = 1;   // TCP
};

inline constexpr std::string_view kPacketForm =
    "tcp|udp ADDR:PORT > ADDR:PORT [FLAGS], FLAGS of S A F R P (default S)";

// "tcp 192.0.2.2:40000 > 192.0.2.1:80 S", "udp [2001:db8::2]:5000 > [2001:db8::1]:53".
Result<PacketSpec> parse_packet_spec(std::string_view text);

// With an Ethernet header, an empty payload and correct checksums.
Frame build_frame(const PacketSpec& spec, const Mac& source, const Mac& destination);

enum class ChecksumState { kCorrect, kWrong, kNone, kUnknown }; // kUnknown: cut, or a fragment
const char* checksum_text(ChecksumState state);

// The headers of a frame that begins with Ethernet.
struct FrameView {
    std::optional<Protocol> protocol; // TCP or UDP with ports in the frame
    Address source, destination;
    std::uint16_t source_port = 0, destination_port = 0;
    std::uint8_t flags = 0; // TCP
    bool icmp = false;
    ChecksumState checksum = ChecksumState::kUnknown; // of TCP and UDP
    std::string other;                                // what it is when it is no TCP or UDP packet

    [[nodiscard]] std::string to_string() const; // "tcp 192.0.2.2:40000 > 192.0.2.1:80 [S]"
};
FrameView view_frame(std::span<const std::uint8_t> frame);

} // namespace bpfport
