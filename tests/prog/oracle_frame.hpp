// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Frames as the oracle reads and changes them: where the ports are, whether the headers contradict
// themselves, and the same frame with another port or address and every checksum as true as before.
#pragma once

#include <netinet/in.h>

#include <optional>

#include "harness/address.hpp"
#include "harness/bytes.hpp"

namespace bpfport::test {

inline constexpr std::size_t kFarthest = 512; // a header that begins later is not looked at

// An IP packet as far as ports are concerned; `problem` says why there are none.
struct Reading {
    const char* problem = nullptr;
    bool ipv6 = false;
    bool fragment = false;
    std::size_t at = 0; // offset of the IP header
    std::uint8_t protocol = 0;
    std::size_t l4 = 0;                   // offset
    std::optional<std::size_t> claimed{}; // bytes from there on that the IP header speaks of
    Address src, dst;

    [[nodiscard]] bool udp() const { return protocol == IPPROTO_UDP; }
    [[nodiscard]] bool has_ports() const { return udp() || protocol == IPPROTO_TCP; }
    [[nodiscard]] bool icmp() const {
        return ipv6 ? protocol == IPPROTO_ICMPV6 : protocol == IPPROTO_ICMP;
    }
    [[nodiscard]] std::size_t header() const { return udp() ? 8 : 20; }
    [[nodiscard]] std::size_t checksum() const { return l4 + (udp() ? 6 : 16); }
};

struct ReadFrame {
    Reading ip;
    bool tagged = false;
};
ReadFrame read_frame(ByteView frame);

// Whether the transport header contradicts itself or what the IP header says.
bool contradicts(ByteView frame, const Reading& r);
bool is_multicast(const Address& a);

// The packet that an ICMP error quotes, if it is one about ports.
std::optional<Reading> quoted(ByteView frame, const Reading& error);

unsigned read16(ByteView bytes, std::size_t at);
void write16(Bytes& frame, std::size_t at, unsigned value);

Bytes with_port(Bytes frame, const Reading& r, std::size_t at, unsigned port);

// Another source address in the IP header at `at`; `sum`: where the transport checksum is, if it is
// here. One `to_be_cut` is the sum itself and not its complement.
Bytes with_source(Bytes frame, std::size_t at, const Address& source,
                  std::optional<std::size_t> sum = {}, bool to_be_cut = false);

// The quoted packet's port; the error's checksum takes the change unless the quote's own did.
Bytes with_quoted_port(const Bytes& frame, const Reading& error, const Reading& quote,
                       std::size_t at, unsigned port);

} // namespace bpfport::test
