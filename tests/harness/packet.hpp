// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Packets, composed from the outside in:
//
//   Ethernet{} / Vlan{.id = 5} / Ipv4{.src = "192.0.2.1"} / Tcp{.dport = 80, .flags = kSyn}
//   Ethernet{} / Ipv6{} / HopByHop{} / Udp{.dport = 53} / Payload("hello")
//   Ipv4{} / Icmp4{.type = 3, .code = 4, .rest = 1280} / Quote(Ipv4{} / Udp{} / Payload(64), 28)
//
// A packet that begins with Ipv4 or Ipv6 is one of a device without Ethernet headers. build() fills
// protocol numbers, lengths and checksums from what follows; a field that was set stays as it is,
// so that wrong packets can be made too. Multi-byte fields are in host order here.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "harness/address.hpp"
#include "harness/bytes.hpp"

namespace bpfport::test {

using Mac = std::array<std::uint8_t, 6>;

enum class Checksum {
    kCorrect,
    kPartial, // what CHECKSUM_PARTIAL leaves for the device to finish: the pseudo header's sum
    kZero,    // UDP: none
    kWrong,   // off by some bits
};

// TCP flags, to be or-ed.
inline constexpr std::uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kPsh = 0x08, kAck = 0x10;

// The default destination is that of lo: BPF_PROG_TEST_RUN takes any other for another host's.
struct Ethernet {
    Mac dst{};
    Mac src{0x02, 0, 0, 0, 0, 0x01};
    std::optional<std::uint16_t> type{};
};

struct Vlan {
    std::uint16_t id = 0;
    std::uint8_t priority = 0;
    std::uint16_t tpid = 0x8100; // 0x88a8 for the outer tag of QinQ
    std::optional<std::uint16_t> type{};
};

struct Ipv4 {
    Address src = "192.0.2.1";
    Address dst = "192.0.2.2";
    std::uint8_t tos = 0;
    std::uint8_t ttl = 64;
    std::uint16_t id = 1;
    bool dont_fragment = false;
    bool more_fragments = false;
    std::uint16_t fragment_offset = 0; // in bytes, a multiple of 8
    Bytes options{};                   // padded to a multiple of 4 with end-of-list
    std::optional<std::uint8_t> version_ihl{};
    std::optional<std::uint8_t> protocol{};
    std::optional<std::uint16_t> total_length{};
    Checksum checksum = Checksum::kCorrect;
};

struct Ipv6 {
    Address src = "2001:db8::1";
    Address dst = "2001:db8::2";
    std::uint8_t traffic_class = 0;
    std::uint32_t flow_label = 0;
    std::uint8_t hop_limit = 64;
    std::optional<std::uint8_t> next{};
    std::optional<std::uint16_t> payload_length{};
};

// IPv6 extension headers. Option bytes are padded to a multiple of 8 with PadN.
struct HopByHop {
    Bytes options{};
    std::optional<std::uint8_t> next{};
};
struct DestinationOptions {
    Bytes options{};
    std::optional<std::uint8_t> next{};
};
struct Routing {
    std::uint8_t type = 4;
    std::uint8_t segments_left = 0;
    Bytes data = Bytes(4); // 4 + 8n bytes
    std::optional<std::uint8_t> next{};
};
struct Fragment {
    std::uint16_t offset = 0; // in bytes, a multiple of 8
    bool more = false;
    std::uint32_t id = 1;
    std::optional<std::uint8_t> next{};
};
struct Ah { // in IPv4 as well
    std::uint32_t spi = 1;
    std::uint32_t sequence = 1;
    Bytes icv = Bytes(12);
    std::optional<std::uint8_t> next{};
};

struct Tcp {
    std::uint16_t sport = 40000;
    std::uint16_t dport = 80;
    std::uint32_t seq = 1;
    std::uint32_t ack = 0;
    std::uint8_t flags = kAck;
    std::uint16_t window = 65535;
    Bytes options{};                           // padded to a multiple of 4
    std::optional<std::uint8_t> data_offset{}; // in words
    Checksum checksum = Checksum::kCorrect;
};

struct Udp {
    std::uint16_t sport = 40000;
    std::uint16_t dport = 80;
    std::optional<std::uint16_t> length{};
    Checksum checksum = Checksum::kCorrect;
};

// Default: destination unreachable, port unreachable.
struct Icmp4 {
    std::uint8_t type = 3;
    std::uint8_t code = 3;
    std::uint32_t rest = 0; // the second word: next-hop MTU, or id and sequence
    Checksum checksum = Checksum::kCorrect;
};
struct Icmp6 {
    std::uint8_t type = 1;
    std::uint8_t code = 4;
    std::uint32_t rest = 0;
    Checksum checksum = Checksum::kCorrect;
};

struct Payload {
    Bytes bytes{};

    explicit Payload(std::string_view text) : bytes(text.begin(), text.end()) {}
    explicit Payload(std::size_t size); // 0, 1, 2 ... so that a displaced byte shows
    explicit Payload(Bytes content) : bytes(std::move(content)) {}
};

using Layer = std::variant<Ethernet, Vlan, Ipv4, Ipv6, HopByHop, DestinationOptions, Routing,
                           Fragment, Ah, Tcp, Udp, Icmp4, Icmp6, Payload>;

template <typename T>
concept IsLayer = requires(Layer layer) {
    std::get<T>(layer);
};

class Packet {
  public:
    Packet() = default;
    template <IsLayer T> Packet(T layer) : layers_{Layer(std::move(layer))} {} // NOLINT: implicit

    Packet& append(const Packet& rest);
    [[nodiscard]] Bytes build() const;

  private:
    friend std::vector<Bytes> fragments(const Packet& packet, std::size_t payload);
    explicit Packet(std::span<const Layer> layers) : layers_(layers.begin(), layers.end()) {}

    std::vector<Layer> layers_;
};

Packet operator/(const Packet& outer, const Packet& inner);

// The packet that an ICMP error is about, as far as the error carries it.
inline constexpr std::size_t kWhole = std::numeric_limits<std::size_t>::max();
Payload Quote(const Packet& packet, std::size_t limit = kWhole);

// The frame cut into IP fragments of at most `payload` bytes (a multiple of 8) each, as a host that
// sends them would: the L4 checksum is that of the whole. Ethernet and VLAN headers are repeated.
std::vector<Bytes> fragments(const Packet& packet, std::size_t payload);

} // namespace bpfport::test
