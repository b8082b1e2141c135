// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The model against frames that the Linux kernel made: captured on a veth pair whose checksum
// offload was off, so that every checksum in them was computed by the kernel in software.
#include "harness/model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/packet.hpp"
#include "harness/translation.hpp"

namespace bpfport::test {
namespace {

using testing::HasSubstr;

constexpr std::string_view kTcp4 =
    "26835aa2371d967aade3aa7008004500004004f44000400621c00a0100020a0100010bb88306"
    "88f892b5317a4b7580180040c70e00000101080a4cb6dd5fd10d388a68656c6c6f2c20776f72"
    "6c64";
constexpr std::string_view kTcp6 =
    "4ab73ddfdf09ee46fb2ca52f86dd600a5be5002c0640fd010000000000000000000000000002"
    "fd0100000000000000000000000000010bb8d00eaba737e9703db5dc8018003f416000000101"
    "080a58d353e3f761712d68656c6c6f2c20776f726c64";
constexpr std::string_view kUdp4 =
    "26835aa2371d967aade3aa7008004500001f28e240004011fde70a0100020a0100010bb8d21a"
    "000b3a9c6f6464";
constexpr std::string_view kUdp6 =
    "4ab73ddfdf09ee46fb2ca52f86dd600312ab000b1140fd010000000000000000000000000002"
    "fd0100000000000000000000000000010bb895d7000b90dd6f6464";
constexpr std::string_view kIcmp4 =
    "26835aa2371d967aade3aa70080045c00039678400004001fe7b0a0100020a0100010303111c"
    "000000004500001d9965400040118d660a0100010a0100029dc70f9f0009ff703f";
constexpr std::string_view kIcmp6 =
    "4ab73ddfdf09ee46fb2ca52f86dd600133e700393a40fd010000000000000000000000000002"
    "fd0100000000000000000000000000010104517c00000000600c41ca00091140fd0100000000"
    "00000000000000000001fd010000000000000000000000000002c2590f9f0009f4dc3f";

Bytes from_hex(std::string_view hex) {
    Bytes bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2)
        put8(bytes,
             static_cast<std::uint8_t>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
    return bytes;
}

class Real : public testing::TestWithParam<std::string_view> {};

INSTANTIATE_TEST_SUITE_P(, Real, testing::Values(kTcp4, kTcp6, kUdp4, kUdp6, kIcmp4, kIcmp6));

TEST_P(Real, IsFoundValid) {
    const Bytes frame = from_hex(GetParam());
    const View view = parse(frame);
    ASSERT_TRUE(view.packet);
    EXPECT_EQ(view.problem, "");
    EXPECT_EQ(view.packet->l4_checksum, Verdict::kGood);
    EXPECT_EQ(view.packet->header_checksum,
              view.packet->src.is_ipv6() ? Verdict::kNone : Verdict::kGood);
    EXPECT_EQ(view.packet->end, frame.size());
    if (view.quoted) {
        EXPECT_EQ(view.quoted->l4_checksum, Verdict::kGood);
        EXPECT_EQ(view.quoted->dport, 3999);
    } else {
        EXPECT_EQ(view.packet->sport, 3000);
    }
}

// Whatever single bit is lost past the MAC addresses and EtherType, the frame is no longer good.
// (IPv6 has no header checksum: nothing covers its first words. IPv4 read as version 6 is another
// packet.)
TEST_P(Real, AnyFlippedBitIsFound) {
    const Bytes good = from_hex(GetParam());
    const View before = parse(good);
    for (std::size_t at = before.packet->offset; at < good.size(); ++at) {
        const std::size_t in_header = at - before.packet->offset;
        if (before.packet->src.is_ipv6() && (in_header < 8)) continue;
        for (unsigned bit = 0; bit < 8; ++bit) {
            Bytes bad = good;
            bad[at] ^= static_cast<std::uint8_t>(1U << bit);
            const View view = parse(bad);
            const bool same =
                view.packet && view.packet->src.family() == before.packet->src.family();
            EXPECT_TRUE(!same || !view.checksums_good()) << at << " bit " << bit;
        }
    }
}

TEST_P(Real, TranslatedFrameIsGoodAndTurnsBack) {
    const Bytes frame = from_hex(GetParam());
    const bool quoted = parse(frame).quoted.has_value();
    const std::uint16_t old = quoted ? 3999 : 3000;
    const Where where = quoted ? Where::kQuotedDestination : Where::kSource;
    for (unsigned port = 1; port < 65536; port += 13) {
        const Bytes changed = translate(frame, where, static_cast<std::uint16_t>(port));
        const View view = parse(changed);
        ASSERT_EQ(quoted ? view.quoted->dport : view.packet->sport, port);
        ASSERT_TRUE(view.checksums_good()) << describe(changed);
        ASSERT_EQ(view.packet->l4_checksum, Verdict::kGood);
        ASSERT_TRUE(expect_translation(changed, frame, where, old));
    }
}

TEST(Model, OnesSumOfRfc1071) {
    EXPECT_EQ(ones_sum(Bytes{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}), 0xddf2);
    EXPECT_EQ(ones_sum(Bytes{0x12}), 0x1200);
    EXPECT_EQ(ones_sum(Bytes{}), 0);
}

// What can't be summed up moves by the difference: the kernel's own whole datagram is the witness.
TEST(Model, FirstFragmentMovesAsTheWhole) {
    for (const bool v6 : {false, true}) {
        const auto datagram = [&](std::uint16_t port) {
            const Packet network = v6 ? Packet(Ipv6{}) : Packet(Ipv4{});
            return fragments(Ethernet{} / network / Udp{.dport = port} / Payload(3000), 1024);
        };
        const auto before = datagram(80);
        const auto after = datagram(3000);
        EXPECT_EQ(parse(before[0]).packet->l4_checksum, Verdict::kUnknown);
        EXPECT_TRUE(expect_translation(before[0], after[0], Where::kDestination, 3000));
        EXPECT_TRUE(expect_untouched(before[1], after[1]));
        EXPECT_THROW(translate(before[1], Where::kDestination, 3000), std::invalid_argument);
    }
}

TEST(Model, CutQuotesMoveAsWholeOnes) {
    for (const std::size_t limit : {24U, 28U, 30U, 38U, 60U, 1000U}) {
        const auto error = [&](std::uint16_t port) {
            const Packet quoted = Ipv4{} / Tcp{.sport = port} / Payload(100);
            return (Ethernet{} / Ipv4{} / Icmp4{.code = 4, .rest = 1280} / Quote(quoted, limit))
                .build();
        };
        EXPECT_TRUE(expect_translation(error(80), error(3000), Where::kQuotedSource, 3000))
            << limit;
    }
    const auto udp = [&](std::uint16_t port) {
        const Packet quoted = Ipv6{} / Udp{.dport = port} / Payload(100);
        return (Ethernet{} / Ipv6{} / Icmp6{} / Quote(quoted, 49)).build();
    };
    EXPECT_TRUE(expect_translation(udp(3000), udp(80), Where::kQuotedDestination, 80));
}

TEST(Model, NoChecksumStaysNone) {
    const auto frame = [](std::uint16_t port) {
        return (Ethernet{} / Ipv4{} / Udp{.dport = port, .checksum = Checksum::kZero}).build();
    };
    EXPECT_TRUE(expect_translation(frame(80), frame(3000), Where::kDestination, 3000));
}

TEST(Model, WrongChecksumStaysAsWrong) {
    const Bytes before = (Ethernet{} / Ipv4{} / Tcp{.checksum = Checksum::kWrong}).build();
    const Bytes after = translate(before, Where::kDestination, 3000);
    EXPECT_EQ(parse(after).packet->l4_checksum, Verdict::kBad);
    EXPECT_EQ(translate(after, Where::kDestination, 80), before);
}

TEST(Model, FailureShowsWhatDiffers) {
    const Bytes before = (Ethernet{} / Ipv4{} / Tcp{}).build();
    const auto result = expect_translation(before, before, Where::kDestination, 3000);
    EXPECT_FALSE(result);
    EXPECT_THAT(result.message(), HasSubstr("192.0.2.2:3000 tcp [.] (ip ok, tcp ok)"));
    EXPECT_THAT(result.message(), HasSubstr("00*50*"));
}

// Every beginning of a frame: no read past the end (the debug build's sanitizers watch), and never
// a checksum called good that is not wholly there.
TEST(Model, TruncatedFramesAreHarmless) {
    for (const Packet& packet :
         {Ethernet{} / Vlan{} / Ipv4{.options = Bytes(8)} / Tcp{.options = Bytes(12)} / Payload(9),
          Ethernet{} / Ipv6{} / HopByHop{} / Routing{} / Fragment{} / Udp{} / Payload(9),
          Ethernet{} / Ipv6{} / Icmp6{} / Quote(Ipv6{} / DestinationOptions{} / Udp{})}) {
        const Bytes whole = packet.build();
        for (std::size_t size = 0; size < whole.size(); ++size) {
            const Bytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
            const View view = parse(part);
            if (view.packet) {
                EXPECT_NE(view.packet->l4_checksum, Verdict::kGood) << size;
            }
            EXPECT_FALSE(describe(part).empty());
        }
    }
}

} // namespace
} // namespace bpfport::test
