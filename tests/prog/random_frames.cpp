// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "prog/random_frames.hpp"

#include "harness/lab.hpp"

namespace bpfport::test {

// Listen ports, targets, and others, of the rules that the property tests set.
std::uint16_t RandomFrames::port() {
    static constexpr std::uint16_t kPorts[] = {80,   80,    80,   3000,  3000,  3000,  443,   8443,
                                               8005, 18005, 53,   5353,  9000,  8000,  18000, 3001,
                                               3002, 3003,  3004, 40000, 40000, 40000, 40001};
    return below(50) == 0 ? static_cast<std::uint16_t>(random_()) : one_of(kPorts);
}

Packet RandomFrames::tags() {
    static constexpr std::uint16_t kTypes[] = {0x8100, 0x8100, 0x88a8, 0x9100};
    static constexpr std::uint16_t kIds[] = {0, 5, 4095};
    Packet packet;
    if (below(4) != 0) return packet;
    for (std::size_t n = below(4); n > 0; --n)
        packet.append(Vlan{.id = one_of(kIds), .tpid = one_of(kTypes)});
    return packet;
}

Packet RandomFrames::network(bool ipv6, bool out) {
    static constexpr const char* kPeers4[] = {"192.0.2.1", "192.0.2.7"};
    static constexpr const char* kPeers6[] = {"2001:db8::1", "2001:db8::7"};
    static constexpr const char* kOwn4[] = {"192.0.2.2", "192.0.2.2", "192.0.2.3", "224.0.0.9"};
    static constexpr const char* kOwn6[] = {"2001:db8::2", "2001:db8::2", "2001:db8::3", "ff02::1"};
    Address peer = ipv6 ? one_of(kPeers6) : one_of(kPeers4);
    Address own = ipv6 ? one_of(kOwn6) : one_of(kOwn4);
    if (out) std::swap(peer, own);
    if (!ipv6) {
        Ipv4 ip{.src = peer, .dst = own};
        if (below(4) == 0) ip.options = Bytes(below(41), 1);
        if (below(8) == 0) ip.more_fragments = true;
        if (below(16) == 0) ip.fragment_offset = static_cast<std::uint16_t>(below(9) * 8);
        return ip;
    }
    Packet packet = Ipv6{.src = peer, .dst = own};
    if (below(3) != 0) return packet;
    for (std::size_t n = below(8); n > 0; --n) switch (below(5)) {
        case 0:
            packet.append(HopByHop{.options = Bytes(below(40))});
            break;
        case 1:
            packet.append(DestinationOptions{.options = Bytes(below(below(9) == 0 ? 2000 : 40))});
            break;
        case 2:
            packet.append(Routing{});
            break;
        case 3:
            packet.append(Fragment{.offset = static_cast<std::uint16_t>(below(9) == 0 ? 8 : 0),
                                   .more = coin()});
            break;
        default:
            packet.append(Ah{});
        }
    return packet;
}

Packet RandomFrames::transport(bool udp) {
    static constexpr Checksum kChecksums[] = {Checksum::kCorrect, Checksum::kCorrect,
                                              Checksum::kCorrect, Checksum::kZero,
                                              Checksum::kWrong,   Checksum::kPartial};
    static constexpr std::uint8_t kFlags[] = {kSyn, kAck, kSyn | kAck, kRst, kFin | kAck, 0};
    const Checksum checksum = one_of(kChecksums);
    if (udp) return Udp{.sport = port(), .dport = port(), .checksum = checksum};
    return Tcp{.sport = port(),
               .dport = port(),
               .flags = one_of(kFlags),
               .options = Bytes(coin() ? 0 : below(41), 1),
               .checksum = checksum == Checksum::kZero ? Checksum::kCorrect : checksum};
}

Packet RandomFrames::datagram(bool ipv6, bool out) {
    Bytes payload(below(30) == 0 ? below(1400) : below(60));
    for (auto& byte : payload) byte = static_cast<std::uint8_t>(random_());
    return network(ipv6, out) / transport(coin()) / Payload(std::move(payload));
}

Packet RandomFrames::error(bool ipv6, bool out) {
    static constexpr std::uint8_t kTypes4[] = {0, 3, 3, 3, 4, 5, 8, 11, 12};
    static constexpr std::uint8_t kTypes6[] = {1, 2, 3, 4, 128, 137, 0, 5};
    const Payload quote = Quote(datagram(ipv6, !out), coin() ? kWhole : 20 + below(80));
    const auto code = static_cast<std::uint8_t>(below(6));
    if (ipv6) return network(ipv6, out) / Icmp6{.type = one_of(kTypes6), .code = code} / quote;
    return network(ipv6, out) / Icmp4{.type = one_of(kTypes4), .code = code} / quote;
}

// Bits, numbers and ends that no stack would send.
void RandomFrames::damage(Bytes& frame) {
    static constexpr std::uint8_t kBytes[] = {0, 1, 4, 6, 17, 43, 44, 50, 51, 60, 0x45, 0x60, 0xff};
    const std::size_t reach = std::min<std::size_t>(frame.size(), 130);
    for (std::size_t n = 1 + below(3); n > 0; --n) switch (below(5)) {
        case 0:
            frame[below(reach)] ^= static_cast<std::uint8_t>(1U << below(8));
            break;
        case 1:
            frame[below(reach)] = one_of(kBytes);
            break;
        case 2: // the lengths of an IP header behind Ethernet
            frame[(coin() ? 16 : 18) + below(2)] = static_cast<std::uint8_t>(random_());
            break;
        case 3:
            frame.resize(std::max<std::size_t>(below(frame.size()), 20));
            return;
        default:
            frame.resize(frame.size() + below(30), 0x5a);
            return;
        }
}

Bytes RandomFrames::next() {
    const bool ipv6 = coin(), out = below(3) == 0;
    Ethernet ethernet = Lab::ethernet();
    if (below(20) == 0) ethernet.dst[below(6)] ^= 1U;
    Bytes frame =
        (ethernet / tags() / (below(4) == 0 ? error(ipv6, out) : datagram(ipv6, out))).build();
    if (below(5) < 2) damage(frame);
    return frame;
}

} // namespace bpfport::test
