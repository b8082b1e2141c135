// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The packet builder against bytes written down by hand, and against the independent model.
#include "harness/packet.hpp"

#include <gtest/gtest.h>

#include "harness/model.hpp"

namespace bpfport::test {
namespace {

std::uint16_t at16(const Bytes& bytes, std::size_t at) {
    return static_cast<std::uint16_t>(bytes.at(at) << 8 | bytes.at(at + 1));
}

TEST(Packet, EthernetIpv4UdpIsByteExact) {
    const Packet packet = Ethernet{} / Ipv4{.src = "10.0.0.1", .dst = "10.0.0.2", .id = 0x1234} /
                          Udp{.sport = 0x1000, .dport = 53} / Payload("hi!");
    const Bytes wanted = {
        0,    0,    0, 0,  0,    0,    2,    0,    0,   0,   0,    1,    0x08, 0x00, // Ethernet
        0x45, 0,    0, 31, 0x12, 0x34, 0,    0,    64,  17,  0x54, 0x98,             // IPv4
        10,   0,    0, 1,  10,   0,    0,    2,                                      //
        0x10, 0x00, 0, 53, 0,    11,   0x52, 0x37, 'h', 'i', '!',                    // UDP
    };
    EXPECT_EQ(packet.build(), wanted) << hexdump(packet.build(), wanted);
}

TEST(Packet, DefaultEthernetIsForLo) {
    const Bytes frame = (Ethernet{} / Ipv4{} / Tcp{}).build();
    EXPECT_TRUE(std::all_of(frame.begin(), frame.begin() + 6, [](auto b) { return b == 0; }));
}

TEST(Packet, QinqTypesChain) {
    const Bytes frame =
        (Ethernet{} / Vlan{.id = 7, .tpid = 0x88a8} / Vlan{.id = 5} / Ipv6{} / Tcp{}).build();
    EXPECT_EQ(at16(frame, 12), 0x88a8);
    EXPECT_EQ(at16(frame, 14), 7);
    EXPECT_EQ(at16(frame, 16), 0x8100);
    EXPECT_EQ(at16(frame, 18), 5);
    EXPECT_EQ(at16(frame, 20), 0x86dd);
    EXPECT_EQ(parse(frame).vlans, (std::vector<std::uint16_t>{7, 5}));
}

TEST(Packet, ExtensionHeadersChainAndAlign) {
    for (std::size_t size = 0; size < 20; ++size) {
        const Bytes frame = (Ipv6{} / HopByHop{.options = Bytes(size)} / Routing{} /
                             DestinationOptions{} / Ah{} / Fragment{} / Tcp{.dport = 443})
                                .build();
        const View view = parse(frame, Start::kNetwork);
        ASSERT_TRUE(view.packet) << view.problem;
        EXPECT_EQ(view.packet->dport, 443);
        EXPECT_EQ(view.packet->l4_checksum, Verdict::kGood);
        EXPECT_EQ(view.packet->end, frame.size());
    }
}

// What the builder makes, the model must find right: two programs, written apart, that agree.
TEST(Packet, ModelAgreesOnEveryShape) {
    const std::vector<Packet> links = {Ethernet{}, Ethernet{} / Vlan{.id = 9}};
    const std::vector<Packet> networks = {Ipv4{}, Ipv4{.options = Bytes(7, 1)}, Ipv6{},
                                          Ipv6{} / HopByHop{} / DestinationOptions{}};
    const std::vector<Packet> transports = {Tcp{}, Tcp{.options = Bytes(9, 1)}, Udp{}};
    for (const auto& link : links)
        for (const auto& network : networks)
            for (const auto& transport : transports)
                for (const std::size_t size : {0U, 1U, 2U, 1399U}) {
                    const Bytes frame = (link / network / transport / Payload(size)).build();
                    const View view = parse(frame);
                    EXPECT_EQ(view.packet->l4_checksum, Verdict::kGood) << describe(frame);
                    EXPECT_TRUE(view.checksums_good()) << describe(frame);
                    EXPECT_EQ(view.packet->end, frame.size());
                }
}

TEST(Packet, ChecksumsAsAsked) {
    const auto verdict = [](const Packet& packet) {
        return parse(packet.build(), Start::kNetwork).packet->l4_checksum;
    };
    EXPECT_EQ(verdict(Ipv4{} / Udp{.checksum = Checksum::kZero}), Verdict::kNone);
    EXPECT_EQ(verdict(Ipv6{} / Udp{.checksum = Checksum::kZero}), Verdict::kBad);
    EXPECT_EQ(verdict(Ipv4{} / Tcp{.checksum = Checksum::kWrong}), Verdict::kBad);
    EXPECT_EQ(verdict(Ipv4{} / Tcp{.checksum = Checksum::kPartial}), Verdict::kBad);
    // The pseudo header's sum, not inverted: 192.0.2.1, 192.0.2.2, TCP, 20 bytes.
    const Bytes partial = (Ipv4{} / Tcp{.checksum = Checksum::kPartial}).build();
    EXPECT_EQ(at16(partial, 36), 0xc000 * 2 + 0x0201 + 0x0202 + 6 + 20 - 0x10000 + 1);
    EXPECT_EQ(parse((Ipv4{.checksum = Checksum::kWrong} / Tcp{}).build(), Start::kNetwork)
                  .packet->header_checksum,
              Verdict::kBad);
}

TEST(Packet, UdpNeverSendsAComputedZero) {
    for (unsigned port = 0; port < 65536; ++port) {
        const Bytes frame =
            (Ipv4{} / Udp{.sport = static_cast<std::uint16_t>(port)} / Payload("x")).build();
        ASSERT_NE(at16(frame, 26), 0) << port;
    }
}

TEST(Packet, QuotesAreCutWhereAsked) {
    const Packet quoted = Ipv4{} / Tcp{.sport = 80} / Payload(100);
    const View cut = parse((Ipv4{} / Icmp4{} / Quote(quoted, 28)).build(), Start::kNetwork);
    EXPECT_EQ(cut.packet->l4_checksum, Verdict::kGood);
    EXPECT_TRUE(cut.quoted->cut);
    EXPECT_EQ(cut.quoted->sport, 80);
    EXPECT_FALSE(cut.quoted->checksum_offset);
    const View whole = parse((Ipv6{} / Icmp6{} / Quote(Ipv6{} / Udp{})).build(), Start::kNetwork);
    EXPECT_EQ(whole.packet->l4_checksum, Verdict::kGood);
    EXPECT_EQ(whole.quoted->l4_checksum, Verdict::kGood);
}

TEST(Packet, FragmentsJoinToTheWhole) {
    for (const bool v6 : {false, true}) {
        const Packet network = v6 ? Ipv6{} / HopByHop{} : Packet(Ipv4{.options = Bytes(4, 1)});
        const Packet packet = Ethernet{} / network / Udp{.dport = 53} / Payload(3000);
        const Bytes whole = packet.build();
        Bytes joined;
        const auto parts = fragments(packet, 1024);
        ASSERT_EQ(parts.size(), 3U);
        for (const Bytes& part : parts) {
            const View view = parse(part);
            EXPECT_TRUE(view.packet->fragment);
            EXPECT_EQ(view.packet->fragment_offset, joined.size());
            EXPECT_EQ(view.packet->protocol, 17);
            EXPECT_EQ(view.packet->dport.has_value(), joined.empty());
            EXPECT_NE(view.packet->header_checksum, Verdict::kBad);
            joined.insert(joined.end(),
                          part.begin() + static_cast<std::ptrdiff_t>(view.packet->l4_offset),
                          part.end());
        }
        EXPECT_EQ(joined,
                  Bytes(whole.begin() + static_cast<std::ptrdiff_t>(parse(whole).packet->l4_offset),
                        whole.end()));
    }
}

} // namespace
} // namespace bpfport::test
