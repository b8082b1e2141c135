// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What a frame is, found out a second time: a parser and checksum verifier that shares no line with
// the programs under test nor with the packets' builder. Checksums are always summed up in full.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/address.hpp"
#include "harness/bytes.hpp"

namespace bpfport::test {

enum class Start { kEthernet, kNetwork }; // kNetwork: a device without Ethernet headers

enum class Verdict {
    kNone, // the protocol has no checksum, or UDP over IPv4 says it has none (0)
    kGood,
    kBad,
    kUnknown, // can't be told: a fragment, or a quote that was cut
};

// One IP header and what follows it. Offsets count from the frame's first byte.
struct Headers {
    Address src;
    Address dst;
    std::size_t offset = 0;    // of the IP header
    std::size_t end = 0;       // where the packet ends; past the frame's end if `cut`
    std::size_t l4_offset = 0; // after options and extension headers
    std::uint8_t protocol = 0; // of what is at l4_offset
    bool cut = false;          // bytes are missing
    bool fragment = false;     // part of a packet; ports and checksum are in the one at offset 0
    std::uint16_t fragment_offset = 0;
    Verdict header_checksum = Verdict::kNone; // IPv4

    std::optional<std::uint16_t> sport; // TCP and UDP whose first 4 bytes are here
    std::optional<std::uint16_t> dport;
    std::optional<std::size_t> checksum_offset; // of the L4 checksum, when it is here
    Verdict l4_checksum = Verdict::kNone;       // TCP, UDP, ICMP, ICMPv6
};

struct View {
    std::vector<std::uint16_t> vlans; // ids, outermost first
    std::optional<Headers> packet;    // none: not IP
    std::optional<Headers> quoted;    // the packet that an ICMP error is about
    std::string problem;              // why parsing ended early; empty when it did not

    // Every checksum that can be verified is right (those of a quote included).
    [[nodiscard]] bool checksums_good() const;
};

View parse(ByteView frame, Start start = Start::kEthernet);

// One line, as tcpdump would: "vlan 5 192.0.2.1:40000 > 192.0.2.2:80 tcp [S] (ip ok, tcp ok) 54".
std::string describe(ByteView frame, Start start = Start::kEthernet);

// The checksum (as it is stored) of protocol's part of a packet whose own field counts as zero.
// UDP's zero comes out as 0xffff. Only for packets that are whole.
std::uint16_t l4_checksum(ByteView frame, const Headers& headers);

// The sum that checksums are made of, folded, not inverted.
std::uint16_t ones_sum(ByteView bytes);

} // namespace bpfport::test
