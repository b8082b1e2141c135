// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Fragments are composed as packets of their own: the headers of the whole, and a slice of its
// payload taken after the checksum was filled in.
#include <algorithm>
#include <stdexcept>

#include "harness/packet.hpp"

namespace bpfport::test {
namespace {

bool is_network(const Layer& layer) {
    return std::holds_alternative<Ipv4>(layer) || std::holds_alternative<Ipv6>(layer);
}

// Headers that every fragment of an IPv6 packet repeats (RFC 8200, section 4.5).
bool is_per_fragment(const Layer& layer) {
    return std::holds_alternative<HopByHop>(layer) || std::holds_alternative<Routing>(layer);
}

} // namespace

std::vector<Bytes> fragments(const Packet& packet, std::size_t payload) {
    const std::span<const Layer> layers = packet.layers_;
    const auto network = std::ranges::find_if(layers, is_network);
    if (network == layers.end() || payload == 0 || payload % 8 != 0)
        throw std::invalid_argument("fragments: needs an IP packet and a multiple of 8 bytes");
    const bool ipv6 = std::holds_alternative<Ipv6>(*network);
    const auto rest =
        ipv6 ? std::find_if_not(network + 1, layers.end(), is_per_fragment) : network + 1;

    const Packet head(std::span(layers.begin(), rest));
    const std::size_t network_at = Packet(std::span(layers.begin(), network)).build().size();
    std::size_t payload_at = head.build().size();
    Packet whole = head;
    if (ipv6) whole.append(Fragment{});
    const Bytes bytes = whole.append(Packet(std::span(rest, layers.end()))).build();
    const std::uint8_t protocol = bytes.at(ipv6 ? payload_at : network_at + 9);
    if (ipv6) payload_at += 8;

    std::vector<Bytes> out;
    for (std::size_t at = payload_at; at < bytes.size(); at += payload) {
        const std::size_t end = std::min(at + payload, bytes.size());
        const auto offset = static_cast<std::uint16_t>(at - payload_at);
        const bool more = end < bytes.size();
        Packet fragment = head;
        if (ipv6) {
            fragment.append(Fragment{.offset = offset, .more = more, .next = protocol});
        } else {
            auto& ip = std::get<Ipv4>(fragment.layers_.back());
            ip.protocol = protocol;
            ip.fragment_offset = offset;
            ip.more_fragments = more;
        }
        out.push_back(fragment
                          .append(Payload(Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                                                bytes.begin() + static_cast<std::ptrdiff_t>(end))))
                          .build());
    }
    return out;
}

} // namespace bpfport::test
