// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Built from the inside out: when a header is written, all that it has to measure and to sum up is
// already there. Only the pseudo header needs a look outwards, at the nearest IP header.
#include "harness/packet.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <stdexcept>

namespace bpfport::test {
namespace {

constexpr std::uint16_t kTypeIpv4 = 0x0800, kTypeIpv6 = 0x86dd;
constexpr std::uint8_t kExperimental = 253; // RFC 3692: for an IPv4 payload without a header

template <typename... F> struct Overload : F... { using F::operator()...; };

// The Internet checksum's sum, folded but not inverted, going on from `sum`.
std::uint16_t add_up(ByteView bytes, std::uint32_t sum = 0) {
    for (std::size_t i = 0; i < bytes.size(); ++i) sum += i % 2 == 0 ? bytes[i] << 8 : bytes[i];
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(sum);
}

void set16(Bytes& bytes, std::size_t at, std::uint16_t value) {
    bytes.at(at) = static_cast<std::uint8_t>(value >> 8);
    bytes.at(at + 1) = static_cast<std::uint8_t>(value);
}

// Writes what `how` asks for over the zero field at `at` of `bytes`. `zero_means_none`: UDP.
void seal(Bytes& bytes, std::size_t at, Checksum how, std::uint16_t pseudo = 0,
          bool zero_means_none = false) {
    std::uint16_t correct = static_cast<std::uint16_t>(~add_up(bytes, pseudo));
    if (zero_means_none && correct == 0) correct = 0xffff;
    switch (how) {
    case Checksum::kCorrect:
        return set16(bytes, at, correct);
    case Checksum::kPartial:
        return set16(bytes, at, pseudo);
    case Checksum::kZero:
        return set16(bytes, at, 0);
    case Checksum::kWrong:
        return set16(bytes, at, static_cast<std::uint16_t>(correct ^ 0x1111));
    }
}

std::uint16_t ether_type(const Layer* next) {
    if (next == nullptr) return 0x88b5; // for experiments
    if (const auto* vlan = std::get_if<Vlan>(next)) return vlan->tpid;
    if (std::holds_alternative<Ipv4>(*next)) return kTypeIpv4;
    if (std::holds_alternative<Ipv6>(*next)) return kTypeIpv6;
    return 0x88b5;
}

std::uint8_t ip_protocol(const Layer* next, std::uint8_t when_none) {
    if (next == nullptr) return when_none;
    const Overload protocol{
        [](const Ipv4&) -> int { return IPPROTO_IPIP; },
        [](const Ipv6&) -> int { return IPPROTO_IPV6; },
        [](const HopByHop&) -> int { return IPPROTO_HOPOPTS; },
        [](const DestinationOptions&) -> int { return IPPROTO_DSTOPTS; },
        [](const Routing&) -> int { return IPPROTO_ROUTING; },
        [](const Fragment&) -> int { return IPPROTO_FRAGMENT; },
        [](const Ah&) -> int { return IPPROTO_AH; },
        [](const Tcp&) -> int { return IPPROTO_TCP; },
        [](const Udp&) -> int { return IPPROTO_UDP; },
        [](const Icmp4&) -> int { return IPPROTO_ICMP; },
        [](const Icmp6&) -> int { return IPPROTO_ICMPV6; },
        [&](const auto&) -> int { return when_none; },
    };
    return static_cast<std::uint8_t>(std::visit(protocol, *next));
}

// Writes one header; body is all that follows it.
class Encoder {
  public:
    Encoder(const Layer* network, const Layer* next, Bytes body)
        : network_(network), next_(next), body_(std::move(body)) {}

    Bytes operator()(const Ethernet& h) {
        put(out_, h.dst);
        put(out_, h.src);
        put16(out_, h.type.value_or(ether_type(next_)));
        return join();
    }
    Bytes operator()(const Vlan& h) { // the tag's own type is the outer header's
        put16(out_, static_cast<std::uint16_t>(h.priority << 13 | h.id));
        put16(out_, h.type.value_or(ether_type(next_)));
        return join();
    }
    Bytes operator()(const Ipv4& h) {
        Bytes options = h.options;
        options.resize((options.size() + 3) / 4 * 4);
        const std::size_t size = 20 + options.size();
        put8(out_, h.version_ihl.value_or(static_cast<std::uint8_t>(0x40 | size / 4)));
        put8(out_, h.tos);
        put16(out_, h.total_length.value_or(static_cast<std::uint16_t>(size + body_.size())));
        put16(out_, h.id);
        put16(out_, static_cast<std::uint16_t>(h.dont_fragment << 14 | h.more_fragments << 13 |
                                               h.fragment_offset / 8));
        put8(out_, h.ttl);
        put8(out_, h.protocol.value_or(ip_protocol(next_, kExperimental)));
        put16(out_, 0);
        put(out_, h.src.bytes());
        put(out_, h.dst.bytes());
        put(out_, options);
        seal(out_, 10, h.checksum);
        return join();
    }
    Bytes operator()(const Ipv6& h) {
        put32(out_, 6U << 28 | static_cast<std::uint32_t>(h.traffic_class) << 20 | h.flow_label);
        put16(out_, h.payload_length.value_or(static_cast<std::uint16_t>(body_.size())));
        put8(out_, h.next.value_or(ip_protocol(next_, IPPROTO_NONE)));
        put8(out_, h.hop_limit);
        put(out_, h.src.bytes());
        put(out_, h.dst.bytes());
        return join();
    }
    Bytes operator()(const HopByHop& h) { return options(h.options, h.next); }
    Bytes operator()(const DestinationOptions& h) { return options(h.options, h.next); }
    Bytes operator()(const Routing& h) {
        put8(out_, h.next.value_or(ip_protocol(next_, IPPROTO_NONE)));
        put8(out_, static_cast<std::uint8_t>((4 + h.data.size()) / 8 - 1));
        put8(out_, h.type);
        put8(out_, h.segments_left);
        put(out_, h.data);
        return join();
    }
    Bytes operator()(const Fragment& h) {
        put8(out_, h.next.value_or(ip_protocol(next_, IPPROTO_NONE)));
        put8(out_, 0);
        put16(out_, static_cast<std::uint16_t>(h.offset | h.more));
        put32(out_, h.id);
        return join();
    }
    Bytes operator()(const Ah& h) {
        put8(out_, h.next.value_or(ip_protocol(next_, IPPROTO_NONE)));
        put8(out_, static_cast<std::uint8_t>((12 + h.icv.size()) / 4 - 2));
        put16(out_, 0);
        put32(out_, h.spi);
        put32(out_, h.sequence);
        put(out_, h.icv);
        return join();
    }
    Bytes operator()(const Tcp& h) {
        Bytes options = h.options;
        options.resize((options.size() + 3) / 4 * 4);
        const auto words = static_cast<std::uint8_t>((20 + options.size()) / 4);
        put16(out_, h.sport);
        put16(out_, h.dport);
        put32(out_, h.seq);
        put32(out_, h.ack);
        put8(out_, static_cast<std::uint8_t>(h.data_offset.value_or(words) << 4));
        put8(out_, h.flags);
        put16(out_, h.window);
        put32(out_, 0); // checksum, urgent pointer
        put(out_, options);
        Bytes all = join();
        seal(all, 16, h.checksum, pseudo_header(IPPROTO_TCP, all.size()));
        return all;
    }
    Bytes operator()(const Udp& h) {
        put16(out_, h.sport);
        put16(out_, h.dport);
        put16(out_, h.length.value_or(static_cast<std::uint16_t>(8 + body_.size())));
        put16(out_, 0);
        Bytes all = join();
        seal(all, 6, h.checksum, pseudo_header(IPPROTO_UDP, all.size()), true);
        return all;
    }
    Bytes operator()(const Icmp4& h) { return icmp(h, 0); }
    Bytes operator()(const Icmp6& h) {
        return icmp(h, pseudo_header(IPPROTO_ICMPV6, 8 + body_.size()));
    }
    Bytes operator()(const Payload& h) {
        put(out_, h.bytes);
        return join();
    }

  private:
    Bytes join() {
        put(out_, body_);
        return std::move(out_);
    }

    Bytes options(Bytes content, std::optional<std::uint8_t> next) {
        const std::size_t pad = (16 - (2 + content.size()) % 8) % 8;
        if (pad == 1) content.push_back(0); // Pad1; PadN has two bytes of its own
        if (pad > 1) {
            put8(content, 1);
            put8(content, static_cast<std::uint8_t>(pad - 2));
            content.resize(content.size() + pad - 2);
        }
        put8(out_, next.value_or(ip_protocol(next_, IPPROTO_NONE)));
        put8(out_, static_cast<std::uint8_t>((2 + content.size()) / 8 - 1));
        put(out_, content);
        return join();
    }

    Bytes icmp(const auto& header, std::uint16_t pseudo) {
        put8(out_, header.type);
        put8(out_, header.code);
        put16(out_, 0);
        put32(out_, header.rest);
        Bytes all = join();
        seal(all, 2, header.checksum, pseudo);
        return all;
    }

    [[nodiscard]] std::uint16_t pseudo_header(std::uint8_t protocol, std::size_t length) const {
        if (network_ == nullptr) return 0;
        Bytes pseudo;
        const auto add = [&pseudo](const auto& ip) {
            put(pseudo, ip.src.bytes());
            put(pseudo, ip.dst.bytes());
        };
        if (const auto* v4 = std::get_if<Ipv4>(network_)) add(*v4);
        if (const auto* v6 = std::get_if<Ipv6>(network_)) add(*v6);
        put32(pseudo, static_cast<std::uint32_t>(length));
        put32(pseudo, protocol);
        return add_up(pseudo);
    }

    const Layer* network_;
    const Layer* next_;
    Bytes body_;
    Bytes out_;
};

} // namespace

Payload::Payload(std::size_t size) : bytes(size) {
    std::ranges::generate(bytes, [n = std::uint8_t{0}]() mutable { return n++; });
}

Packet& Packet::append(const Packet& rest) {
    layers_.insert(layers_.end(), rest.layers_.begin(), rest.layers_.end());
    return *this;
}

Packet operator/(const Packet& outer, const Packet& inner) { return Packet(outer).append(inner); }

Bytes Packet::build() const {
    const auto is_network = [](const Layer& layer) {
        return std::holds_alternative<Ipv4>(layer) || std::holds_alternative<Ipv6>(layer);
    };
    Bytes bytes;
    for (std::size_t i = layers_.size(); i-- > 0;) {
        const Layer* next = i + 1 < layers_.size() ? &layers_[i + 1] : nullptr;
        const Layer* network = nullptr;
        for (std::size_t k = i; k-- > 0 && network == nullptr;)
            if (is_network(layers_[k])) network = &layers_[k];
        bytes = std::visit(Encoder(network, next, std::move(bytes)), layers_[i]);
    }
    return bytes;
}

Payload Quote(const Packet& packet, std::size_t limit) {
    Bytes bytes = packet.build();
    bytes.resize(std::min(bytes.size(), limit));
    return Payload(std::move(bytes));
}

} // namespace bpfport::test
