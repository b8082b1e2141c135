// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "prog/oracle_frame.hpp"

#include <algorithm>

namespace bpfport::test {

unsigned read16(ByteView bytes, std::size_t at) { return bytes[at] * 256U + bytes[at + 1]; }

namespace {

constexpr unsigned kMostExtensions = 6;
constexpr std::size_t kIcmpHeader = 8;

Reading no(const char* problem) {
    Reading r;
    r.problem = problem;
    return r;
}

// The header after IPv6 extensions. Each must begin within reach and have its first 4 bytes.
Reading after_extensions(ByteView frame, Reading r) {
    const std::size_t start = r.l4;
    for (unsigned n = 0; n < kMostExtensions; ++n) {
        const std::uint8_t type = r.protocol;
        const bool options =
            type == IPPROTO_HOPOPTS || type == IPPROTO_ROUTING || type == IPPROTO_DSTOPTS;
        if (!options && type != IPPROTO_FRAGMENT && type != IPPROTO_AH) break;
        if (r.l4 > kFarthest) return no("extension header out of reach");
        if (r.l4 + 4 > frame.size()) return no("extension header is cut");
        const std::size_t length = frame[r.l4 + 1];
        r.protocol = frame[r.l4];
        if (type == IPPROTO_FRAGMENT) {
            if ((read16(frame, r.l4 + 2) & 0xfff8U) != 0) return no("later fragment");
            r.fragment = r.fragment || (read16(frame, r.l4 + 2) & 1U) != 0; // of either header
            r.l4 += 8;
        } else {
            r.l4 += options ? (length + 1) * 8 : (length + 2) * 4;
        }
    }
    if (r.claimed) {
        if (*r.claimed <= r.l4 - start) return no("IPv6 payload ends in the extensions");
        *r.claimed -= r.l4 - start;
    }
    return r;
}

Reading read_ip(ByteView frame, std::size_t at, bool ipv6) {
    if (at > kFarthest) return no("out of reach");
    if (at + (ipv6 ? 40 : 20) > frame.size()) return no("IP header is cut");
    const ByteView ip = frame.subspan(at);
    if (ip[0] >> 4U != (ipv6 ? 6 : 4)) return no("wrong version");
    Reading r;
    r.at = at;
    r.ipv6 = ipv6;
    if (ipv6) {
        r.src = Address::from_bytes(ip.subspan(8, 16));
        r.dst = Address::from_bytes(ip.subspan(24, 16));
        r.protocol = ip[6];
        r.l4 = at + 40;
        if (const unsigned length = read16(ip, 4); length != 0) r.claimed = length;
        return after_extensions(frame, std::move(r));
    }
    const std::size_t size = (ip[0] & 15U) * std::size_t{4};
    if (size < 20) return no("IPv4 header too short");
    if ((read16(ip, 6) & 0x1fffU) != 0) return no("later fragment");
    r.src = Address::from_bytes(ip.subspan(12, 4));
    r.dst = Address::from_bytes(ip.subspan(16, 4));
    r.fragment = (read16(ip, 6) & 0x2000U) != 0;
    r.protocol = ip[9];
    r.l4 = at + size;
    if (const unsigned total = read16(ip, 2); total != 0) {
        if (total <= size) return no("IPv4 total length leaves nothing");
        r.claimed = total - size;
    }
    return r;
}

bool is_error(const Reading& r, std::uint8_t type) {
    if (r.ipv6) return type >= 1 && type <= 4;
    return type == 3 || type == 5 || type == 11 || type == 12;
}

// The checksum at `at` after a covered word went from one value to another (RFC 1624).
void move(Bytes& frame, std::size_t at, unsigned from, unsigned to, bool udp) {
    const unsigned old = read16(frame, at);
    if (udp && old == 0) return;
    unsigned sum = (~old & 0xffffU) + (~from & 0xffffU) + to;
    while (sum > 0xffff) sum = (sum & 0xffffU) + (sum >> 16U);
    unsigned fresh = ~sum & 0xffffU;
    if (udp && fresh == 0) fresh = 0xffff;
    frame[at] = static_cast<std::uint8_t>(fresh >> 8U);
    frame[at + 1] = static_cast<std::uint8_t>(fresh);
}

// What lies past the error's own end is the frame's padding, whatever it looks like.
std::size_t end_of(ByteView frame, const Reading& error) {
    return error.claimed ? std::min(frame.size(), error.l4 + *error.claimed) : frame.size();
}

} // namespace

ReadFrame read_frame(ByteView frame) {
    if (frame.size() < 14) return {no("no Ethernet header")};
    ReadFrame f;
    std::size_t at = 14;
    unsigned type = read16(frame, 12);
    for (int tags = 0; tags < 2 && (type == 0x8100 || type == 0x88a8); ++tags) {
        if (at + 4 > frame.size()) return {no("VLAN tag is cut")};
        f.tagged |= (read16(frame, at) & 0x0fffU) != 0;
        type = read16(frame, at + 2);
        at += 4;
    }
    f.ip = type == 0x0800 || type == 0x86dd ? read_ip(frame, at, type == 0x86dd) : no("not IP");
    return f;
}

bool contradicts(ByteView frame, const Reading& r) {
    if (r.claimed && *r.claimed < r.header()) return true;
    if (r.claimed && r.l4 + *r.claimed > frame.size()) return true;
    const auto fits = [&](std::size_t size) {
        return !r.claimed || r.fragment || size <= *r.claimed;
    };
    if (r.udp()) {
        const unsigned length = read16(frame, r.l4 + 4);
        return length != 0 && (length < 8 || !fits(length));
    }
    const std::size_t size = (frame[r.l4 + 12] >> 4U) * std::size_t{4};
    return size < 20 || !fits(size);
}

bool is_multicast(const Address& a) {
    if (a.is_ipv6()) return a.bytes()[0] == 0xff;
    return a.bytes()[0] >> 4U == 14 || a == Address("255.255.255.255");
}

void write16(Bytes& frame, std::size_t at, unsigned value) {
    frame[at] = static_cast<std::uint8_t>(value >> 8U);
    frame[at + 1] = static_cast<std::uint8_t>(value);
}

Bytes with_port(Bytes frame, const Reading& r, std::size_t at, unsigned port) {
    const unsigned old = read16(frame, at);
    write16(frame, at, port);
    if (r.checksum() + 2 <= frame.size()) move(frame, r.checksum(), old, port, r.udp());
    return frame;
}

Bytes with_source(Bytes frame, std::size_t at, const Address& source,
                  std::optional<std::size_t> sum, bool to_be_cut) {
    const std::size_t first = at + (source.is_ipv6() ? 8 : 12);
    for (std::size_t i = 0; i < source.bytes().size(); i += 2) {
        const unsigned old = read16(frame, first + i);
        const unsigned fresh = read16(source.bytes(), i);
        write16(frame, first + i, fresh);
        if (!source.is_ipv6()) move(frame, at + 10, old, fresh, false);
        if (!sum) continue;
        if (to_be_cut)
            move(frame, *sum, fresh, old, false);
        else
            move(frame, *sum, old, fresh, true);
    }
    return frame;
}

Bytes with_quoted_port(const Bytes& frame, const Reading& error, const Reading& quote,
                       std::size_t at, unsigned port) {
    const std::size_t end = end_of(frame, error);
    Bytes after(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(end));
    after = with_port(std::move(after), quote, at, port);
    after.insert(after.end(), frame.begin() + static_cast<std::ptrdiff_t>(end), frame.end());
    const bool cancels =
        quote.checksum() + 2 <= end && !(quote.udp() && read16(frame, quote.checksum()) == 0);
    if (!cancels) move(after, error.l4 + 2, read16(frame, at), port, false);
    return after;
}

std::optional<Reading> quoted(ByteView frame, const Reading& error) {
    if (error.l4 + kIcmpHeader > frame.size() || !is_error(error, frame[error.l4])) return {};
    Reading quote = read_ip(frame, error.l4 + kIcmpHeader, error.ipv6);
    if (quote.problem || !quote.has_ports() || quote.l4 > kFarthest ||
        quote.l4 + 8 > end_of(frame, error))
        return {};
    return quote;
}

} // namespace bpfport::test
