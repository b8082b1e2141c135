// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "prog/shapes.hpp"

namespace bpfport::test {
namespace {

// An IPv6 packet with these headers before its transport.
Build with(const Packet& extensions) {
    return [=](const Ends& e) { return frame(whole(e, extensions)); };
}

Build with_options(std::size_t size) {
    return [=](const Ends& e) {
        return frame(Ipv4{.src = e.from, .dst = e.to, .options = Bytes(size, 1)} / l4(e) /
                     Payload(5));
    };
}

Build with_ipv4(void (*change)(Ipv4&)) {
    return [=](const Ends& e) {
        Ipv4 header{.src = e.from, .dst = e.to};
        change(header);
        return frame(header / l4(e) / Payload(33));
    };
}

Build with_payload_length(std::uint16_t length) {
    return [=](const Ends& e) {
        return frame(Ipv6{.src = e.from, .dst = e.to, .payload_length = length} / l4(e) /
                     Payload(33));
    };
}

Build with_udp_length(std::uint16_t length) {
    return [=](const Ends& e) {
        return frame(ip(e) / Udp{.sport = e.sport, .dport = e.dport, .length = length} /
                     Payload(33));
    };
}

Build with_data_offset(std::uint8_t words) {
    return [=](const Ends& e) {
        return frame(ip(e) / Tcp{.sport = e.sport, .dport = e.dport, .data_offset = words} /
                     Payload(33));
    };
}

Build fragment(std::size_t index) {
    return [=](const Ends& e) {
        return fragments(Lab::ethernet() / ip(e) / l4(e) / Payload(400), 128).at(index);
    };
}

Build with_tags(const Packet& tags) {
    return [=](const Ends& e) { return (Lab::ethernet() / tags / whole(e)).build(); };
}

const Shape kShapes[] = {
    {"plain", For::kAll, Fate::kTranslated, with({})},
    {"no payload", For::kAll, Fate::kTranslated,
     [](const Ends& e) { return frame(whole(e, {}, 0)); }},
    {"full segment", For::kAll, Fate::kTranslated,
     [](const Ends& e) { return frame(whole(e, {}, 1400)); }},
    {"padded by Ethernet", For::kAll, Fate::kTranslated,
     [](const Ends& e) {
         Bytes bytes = frame(whole(e, {}, 1));
         bytes.resize(bytes.size() + 6, 0xa5);
         return bytes;
     }},
    {"TCP options", For::kTcp, Fate::kTranslated,
     [](const Ends& e) {
         return frame(ip(e) / Tcp{.sport = e.sport, .dport = e.dport, .options = Bytes(40, 1)} /
                      Payload(9));
     }},

    {"VLAN", For::kAll, Fate::kTagged, with_tags(Vlan{.id = 5})},
    {"VLAN 0: a priority", For::kAll, Fate::kTranslated, with_tags(Vlan{.id = 0, .priority = 3})},
    {"802.1ad", For::kAll, Fate::kTagged, with_tags(Vlan{.id = 7, .tpid = 0x88a8})},
    {"QinQ", For::kAll, Fate::kTagged, with_tags(Vlan{.id = 7, .tpid = 0x88a8} / Vlan{.id = 5})},
    {"QinQ, inner priority", For::kAll, Fate::kTagged,
     with_tags(Vlan{.id = 7, .tpid = 0x88a8} / Vlan{.id = 0})},
    {"three tags", For::kAll, Fate::kUntouched,
     with_tags(Vlan{.id = 7, .tpid = 0x88a8} / Vlan{.id = 5} / Vlan{.id = 6})},

    {"IPv4 option", For::kIpv4, Fate::kTranslated, with_options(4)},
    {"40 bytes of IPv4 options", For::kIpv4, Fate::kTranslated, with_options(40)},
    {"hop-by-hop", For::kIpv6, Fate::kTranslated, with(HopByHop{})},
    {"destination options", For::kIpv6, Fate::kTranslated,
     with(DestinationOptions{.options = Bytes(30)})},
    {"routing", For::kIpv6, Fate::kTranslated, with(Routing{})},
    {"AH", For::kIpv6, Fate::kTranslated, with(Ah{})},
    {"atomic fragment", For::kIpv6, Fate::kTranslated, with(Fragment{})},
    {"chain", For::kIpv6, Fate::kTranslated,
     with(HopByHop{} / Routing{} / Fragment{} / Ah{} / DestinationOptions{})},
    {"six extensions", For::kIpv6, Fate::kTranslated,
     with(HopByHop{} / DestinationOptions{} / Routing{} / Fragment{} / Ah{} /
          DestinationOptions{})},
    {"seven extensions", For::kIpv6, Fate::kUntouched,
     with(HopByHop{} / DestinationOptions{} / Routing{} / Fragment{} / Ah{} / Ah{} /
          DestinationOptions{})},
    {"400 bytes of extension", For::kIpv6, Fate::kTranslated,
     with(DestinationOptions{.options = Bytes(390)})},
    {"2000 bytes of extension", For::kIpv6, Fate::kUntouched,
     with(DestinationOptions{.options = Bytes(2000)})},

    {"first fragment", For::kAll, Fate::kTranslated, fragment(0)},
    {"second fragment", For::kAll, Fate::kUntouched, fragment(1)},
    {"last fragment", For::kAll, Fate::kUntouched, fragment(3)},

    {"IPv4 header too short", For::kIpv4, Fate::kMalformed,
     with_ipv4([](Ipv4& h) { h.version_ihl = 0x44; })},
    {"IPv4 with version 5", For::kIpv4, Fate::kMalformed,
     with_ipv4([](Ipv4& h) { h.version_ihl = 0x55; })},
    {"total length within the header", For::kIpv4, Fate::kMalformed,
     with_ipv4([](Ipv4& h) { h.total_length = 19; })},
    {"total length without a payload", For::kIpv4, Fate::kMalformed,
     with_ipv4([](Ipv4& h) { h.total_length = 20; })},
    {"total length within the transport header", For::kIpv4, Fate::kMalformed,
     with_ipv4([](Ipv4& h) { h.total_length = 27; })},
    {"payload length within the transport header", For::kIpv6, Fate::kMalformed,
     with_payload_length(7)},
    {"total length 0: BIG TCP", For::kIpv4, Fate::kTranslated,
     with_ipv4([](Ipv4& h) { h.total_length = 0; })},
    {"payload length 0: BIG TCP", For::kIpv6, Fate::kTranslated, with_payload_length(0)},
    {"data offset too small", For::kTcp, Fate::kMalformed, with_data_offset(4)},
    {"data offset past the end", For::kTcp, Fate::kMalformed, with_data_offset(15)},
    {"UDP length too small", For::kUdp, Fate::kMalformed, with_udp_length(7)},
    {"UDP length past the end", For::kUdp, Fate::kMalformed, with_udp_length(42)},

    {"another protocol", For::kAll, Fate::kUntouched,
     [](const Ends& e) {
         return frame((e.ipv6 ? Packet(Ipv6{.src = e.from, .dst = e.to, .next = 132})
                              : Packet(Ipv4{.src = e.from, .dst = e.to, .protocol = 132})) /
                      l4(e) / Payload(9));
     }},
    {"AH over IPv4", For::kIpv4, Fate::kUntouched,
     [](const Ends& e) { return frame(ip(e) / Ah{} / l4(e)); }},
    {"another ethertype", For::kAll, Fate::kUntouched,
     [](const Ends& e) {
         Ethernet other = Lab::ethernet();
         other.type = 0x0806;
         return (other / whole(e)).build();
     }},
};

} // namespace

std::span<const Shape> shapes() { return kShapes; }

bool applies(const Shape& shape, const Ends& e) {
    switch (shape.which) {
    case For::kAll:
        return true;
    case For::kIpv4:
        return !e.ipv6;
    case For::kIpv6:
        return e.ipv6;
    case For::kTcp:
        return !e.udp;
    case For::kUdp:
        return e.udp;
    }
    return false;
}

} // namespace bpfport::test
