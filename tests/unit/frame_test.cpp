// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Packets made from a few words, looked at by the test harness's own parser and by view_frame().
#include "trace/frame.hpp"

#include <gtest/gtest.h>

#include "harness/model.hpp"

namespace bpfport {

namespace {

TEST(Frame, PacketsOfTheGrammar) {
    struct Case {
        const char* spec;
        const char* seen; // by view_frame(); nullptr: refused
    } cases[] = {
        {"tcp 192.0.2.2:40000 > 192.0.2.1:80", "tcp 192.0.2.2:40000 > 192.0.2.1:80 [S]"},
        {"tcp 192.0.2.2:40000 > 192.0.2.1:80 SA", "tcp 192.0.2.2:40000 > 192.0.2.1:80 [SA]"},
        {"tcp [2001:db8::2]:1 > [2001:db8::1]:443 .",
         "tcp [2001:db8::2]:1 > [2001:db8::1]:443 [A]"},
        {"udp 192.0.2.2:40000 > 192.0.2.1:53", "udp 192.0.2.2:40000 > 192.0.2.1:53"},
        {"udp [::1]:9 > [::1]:53", "udp [::1]:9 > [::1]:53"},
        {"", nullptr},
        {"icmp 192.0.2.2:1 > 192.0.2.1:2", nullptr},
        {"tcp 192.0.2.2 > 192.0.2.1:80", nullptr},
        {"tcp 192.0.2.2:40000 192.0.2.1:80", nullptr},
        {"tcp 192.0.2.2:40000 > 192.0.2.1:0", nullptr},
        {"tcp 192.0.2.2:40000 > 192.0.2.1:70000", nullptr},
        {"tcp 192.0.2.2:40000 > [2001:db8::1]:80", nullptr},
        {"tcp 192.0.2.2:40000 > 192.0.2.1:80 X", nullptr},
        {"udp 192.0.2.2:40000 > 192.0.2.1:80 S", nullptr},
        {"tcp 192.0.2.2:40000 > 192.0.2.1:80 S more", nullptr},
    };
    for (const auto& one : cases) {
        SCOPED_TRACE(one.spec);
        auto spec = parse_packet_spec(one.spec);
        ASSERT_EQ(spec.has_value(), one.seen != nullptr);
        if (!spec) {
            EXPECT_EQ(spec.error().fault, Fault::kUsage);
            EXPECT_FALSE(spec.error().hint.empty());
            continue;
        }
        Frame frame = build_frame(*spec, {2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2});
        FrameView view = view_frame(frame);
        EXPECT_EQ(view.to_string(), one.seen);
        EXPECT_EQ(view.checksum, ChecksumState::kCorrect);
        EXPECT_TRUE(test::parse(frame).checksums_good()) << test::describe(frame);
    }
}

TEST(Frame, ChecksumStates) {
    auto spec = parse_packet_spec("udp 192.0.2.2:4000 > 192.0.2.1:53").value();
    Frame frame = build_frame(spec, {}, {});
    frame[14 + 20 + 2]++; // a port
    EXPECT_EQ(view_frame(frame).checksum, ChecksumState::kWrong);
    frame[14 + 20 + 6] = frame[14 + 20 + 7] = 0;
    EXPECT_EQ(view_frame(frame).checksum, ChecksumState::kNone);
}

TEST(Frame, AnIpv4HeaderShorterThanTwentyBytesIsMalformed) {
    for (std::uint8_t words = 0; words < 5; words++) {
        Frame frame =
            build_frame(parse_packet_spec("udp 192.0.2.2:1 > 192.0.2.1:2").value(), {}, {});
        frame[14] = 0x40 | words;
        EXPECT_EQ(view_frame(frame).to_string(), "a malformed IP header") << unsigned{words};
    }
}

TEST(Frame, CutAnywhereIsNeverReadPastItsEnd) {
    for (const char* text : {"tcp 192.0.2.2:1 > 192.0.2.1:2", "udp [::1]:1 > [::1]:2"}) {
        Frame whole = build_frame(parse_packet_spec(text).value(), {}, {});
        for (std::size_t size = 0; size < whole.size(); size++) {
            Frame cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
            EXPECT_NE(view_frame(cut).checksum, ChecksumState::kCorrect) << size;
        }
    }
}

} // namespace

} // namespace bpfport
