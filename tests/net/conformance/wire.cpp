// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "net/conformance/wire.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "harness/amount.hpp"

namespace bpfport::test {
namespace {

std::uint32_t read32(ByteView bytes, std::size_t at) {
    return static_cast<std::uint32_t>(bytes[at]) << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 |
           bytes[at + 3];
}

void write(Bytes& bytes, std::size_t at, std::size_t size, std::uint32_t value) {
    for (std::size_t i = 0; i < size; ++i)
        bytes.at(at + i) = static_cast<std::uint8_t>(value >> (8 * (size - 1 - i)));
}

std::size_t tcp_header_size(const Captured& frame) {
    return (frame.frame[frame.view.packet->l4_offset + 12] >> 4U) * std::size_t{4};
}

// TSval, the server's clock.
void stop_clock(Bytes& bytes, std::size_t options, std::size_t end) {
    for (std::size_t at = options; at + 1 < end && bytes[at] != 0;) {
        if (bytes[at] == 1) {
            ++at;
            continue;
        }
        if (bytes[at] == 8 && at + 10 <= end) write(bytes, at + 2, 4, 0);
        at += std::max<std::size_t>(bytes[at + 1], 2);
    }
}

bool is_tcp(const Captured& frame) {
    const Headers& h = *frame.view.packet;
    return h.protocol == IPPROTO_TCP && h.fragment_offset == 0;
}

} // namespace

std::uint8_t tcp_flags(const Captured& frame) {
    if (!is_tcp(frame)) return 0;
    return frame.frame[frame.view.packet->l4_offset + 13] & (kSyn | kFin | kRst | kAck);
}

std::size_t data_size(const Captured& frame) {
    const Headers& h = *frame.view.packet;
    const std::size_t header = h.fragment_offset != 0 ? 0
                               : is_tcp(frame)        ? tcp_header_size(frame)
                                                      : 8;
    return h.end - h.l4_offset - header;
}

std::uint32_t sequence_of(const Captured& frame) {
    return read32(frame.frame, frame.view.packet->l4_offset + 4);
}

Bytes without_chance(const Captured& frame, std::optional<std::uint32_t> server_isn) {
    const Headers& h = *frame.view.packet;
    Bytes bytes = frame.frame;
    if (h.src.is_ipv6()) {
        if (h.fragment) write(bytes, h.l4_offset - 4, 4, 0);
    } else {
        write(bytes, h.offset + 4, 2, 0);
        if (h.header_checksum == Verdict::kGood) write(bytes, h.offset + 10, 2, 0xffff);
    }
    if (is_tcp(frame)) {
        const std::size_t at = h.l4_offset;
        if (server_isn) write(bytes, at + 4, 4, sequence_of(frame) - *server_isn);
        stop_clock(bytes, at + 20, at + tcp_header_size(frame));
    }
    if (h.checksum_offset && h.l4_checksum == Verdict::kGood)
        write(bytes, *h.checksum_offset, 2, 0xffff);
    return bytes;
}

std::string in_words(const Captured& frame) {
    const Headers& h = *frame.view.packet;
    std::string out;
    if (frame.view.quoted) {
        const std::size_t at = h.l4_offset;
        return fmt::format(": ICMP type {} code {} about it", frame.frame[at], frame.frame[at + 1]);
    }
    if (is_tcp(frame)) {
        static constexpr std::pair<std::uint8_t, char> kNames[] = {
            {kSyn, 'S'}, {kFin, 'F'}, {kRst, 'R'}, {kAck, '.'}};
        for (const auto& [flag, name] : kNames)
            if ((tcp_flags(frame) & flag) != 0) out += name;
        out = fmt::format(" [{}]", out);
    } else if (h.protocol == IPPROTO_UDP) {
        out = " udp";
    } else {
        out = fmt::format(" protocol {}", h.protocol);
    }
    if (h.fragment) out += fmt::format(" fragment at {}", h.fragment_offset);
    if (h.l4_checksum == Verdict::kBad || h.header_checksum == Verdict::kBad)
        out += " BAD CHECKSUM";
    out += fmt::format(" {} bytes", data_size(frame));
    if (is_tcp(frame)) {
        const std::size_t at = h.l4_offset;
        unsigned flags = frame.frame[at + 13];
        unsigned window = frame.frame[at + 14] << 8 | frame.frame[at + 15];
        // In a slow guest it is a matter of a moment what the program has read, and which segments of a long reply have PSH.
        if (is_emulated()) flags &= ~unsigned{kPsh}, window &= ~1023U;
        out += fmt::format(", flags {:#04x}, window {}", flags, window);
    }
    return out;
}

} // namespace bpfport::test
