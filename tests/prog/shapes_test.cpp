// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// One packet in every shape that frames come in, there and back: what must be translated is compared
// with a frame that was built from nothing with the other port; all else must come out untouched.
#include "prog/shapes.hpp"
#include "state/instance.hpp"

namespace bpfport::test {
namespace {

class Shapes : public Programs {
  protected:
    // What each shape comes out as, both ways, under rules with or without --vlan.
    void try_all(bool vlan) {
        attach(vlan ? BP_RULE_VLAN : 0);
        for (const Ends& in : kConversations) {
            Ends redirected = in;
            redirected.dport = kTarget;
            const Ends reply = Ends::out(in.ipv6, in.udp);
            Ends translated = reply;
            translated.sport = kListen;
            static_cast<void>(lab().in(opening(in)));
            for (const Shape& shape : shapes()) {
                if (!applies(shape, in)) continue;
                SCOPED_TRACE(fmt::format("{}, {}", shape.name, in.text()));
                const bool changes =
                    shape.fate == Fate::kTranslated || (shape.fate == Fate::kTagged && vlan);
                const auto malformed = lab().outcome(BP_OUTCOME_MALFORMED);
                const auto tagged = lab().outcome(BP_OUTCOME_TAGGED);
                const TestRun there = lab().in(shape.build(in));
                EXPECT_EQ(there.action, kNext);
                EXPECT_TRUE(same_frame(shape.build(changes ? redirected : in), there.frame));
                EXPECT_EQ(lab().outcome(BP_OUTCOME_MALFORMED) - malformed,
                          shape.fate == Fate::kMalformed ? 1 : 0);
                EXPECT_EQ(lab().outcome(BP_OUTCOME_TAGGED) - tagged,
                          shape.fate == Fate::kTagged && !vlan ? 1 : 0);
                // What this host sends is right by itself, and the tag is its own doing.
                if (shape.fate == Fate::kMalformed) continue;
                const TestRun back = lab().out(shape.build(reply));
                EXPECT_EQ(back.action, kNext);
                EXPECT_TRUE(same_frame(
                    shape.build(shape.fate == Fate::kUntouched ? reply : translated), back.frame));
            }
        }
    }
};

TEST_P(Shapes, WithoutVlan) { try_all(false); }
TEST_P(Shapes, WithVlan) { try_all(true); }

// The same on a device without Ethernet headers, whose programs take the frame from its IP header on.
// (The test run reads an Ethernet header into the first bytes; these programs don't ask for it.)
TEST_P(Shapes, WithoutEthernet) {
    attach();
    for (const Ends& in : kConversations) {
        const Ends reply = Ends::out(in.ipv6, in.udp);
        Ends redirected = in, translated = reply;
        redirected.dport = kTarget;
        translated.sport = kListen;
        static_cast<void>(lab().in(opening(in)));
        for (const Shape& shape : shapes()) {
            if (!applies(shape, in)) continue;
            const auto packet = [&](const Ends& e) {
                const Bytes whole_frame = shape.build(e);
                return Bytes(whole_frame.begin() + 14, whole_frame.end());
            };
            const Bytes framed = shape.build(in);
            if (framed[12] != (in.ipv6 ? 0x86 : 0x08) || framed[13] != (in.ipv6 ? 0xdd : 0x00))
                continue; // tags and other ethertypes
            SCOPED_TRACE(fmt::format("{}, {}", shape.name, in.text()));
            const bool changes = shape.fate == Fate::kTranslated;
            __sk_buff skb{};
            skb.ifindex = skb.ingress_ifindex = lab().eth0();
            const TestRun there = lab().run(pins::kTcInL3, packet(in), {.skb = skb});
            EXPECT_EQ(there.action, kNext);
            EXPECT_TRUE(same_frame(packet(changes ? redirected : in), there.frame));
            if (shape.fate == Fate::kMalformed) continue;
            skb.ingress_ifindex = 0;
            const TestRun back = lab().run(pins::kTcOutL3, packet(reply), {.skb = skb});
            EXPECT_EQ(back.action, kNext);
            EXPECT_TRUE(same_frame(packet(changes ? translated : reply), back.frame));
        }
    }
}

// A checksum stays as right or as wrong as it was; a UDP checksum of none stays none.
TEST_P(Shapes, ChecksumsKeepTheirTruth) {
    attach();
    for (const Ends& in : kConversations) {
        static_cast<void>(lab().in(opening(in)));
        for (const Checksum checksum : {Checksum::kCorrect, Checksum::kWrong, Checksum::kZero}) {
            if (checksum == Checksum::kZero && !in.udp) continue;
            SCOPED_TRACE(fmt::format("{}, checksum {}", in.text(), static_cast<int>(checksum)));
            const Bytes before = frame(ip(in) / l4(in, checksum) / Payload(33));
            EXPECT_TRUE(
                expect_translation(before, lab().in(before).frame, Where::kDestination, kTarget));
            const Ends reply = Ends::out(in.ipv6, in.udp);
            const Bytes answer = frame(ip(reply) / l4(reply, checksum) / Payload(33));
            EXPECT_TRUE(
                expect_translation(answer, lab().out(answer).frame, Where::kSource, kListen));
        }
    }
}

// The device's sum over the whole packet (CHECKSUM_COMPLETE) stays right: the kernel compares.
TEST_P(Shapes, CompleteChecksums) {
    attach();
    const Ends first = Ends::in(false, false);
    TestRunOptions options{.skb = __sk_buff{}, .flags = kTestRunChecksumComplete};
    options.skb->ifindex = options.skb->ingress_ifindex = lab().eth0();
    const auto run = [&](const char* program, const Bytes& before) {
        return lab().netns().run(
            [&] { return test_run(lab().program(program).get(), before, options); });
    };
    if (const auto probe = run(pins::kTcIn, opening(first)); !probe && probe.error().code == EINVAL)
        GTEST_SKIP() << "test runs with CHECKSUM_COMPLETE need Linux 6.13";
    for (const Ends& in : kConversations) {
        static_cast<void>(lab().in(opening(in)));
        const Bytes before = frame(whole(in));
        const auto there = run(pins::kTcIn, before);
        ASSERT_TRUE(there) << in.text() << ": " << there.error().message;
        EXPECT_TRUE(expect_translation(before, there->frame, Where::kDestination, kTarget));
        const Bytes reply = frame(whole(Ends::out(in.ipv6, in.udp)));
        options.skb->ingress_ifindex = 0;
        const auto back = run(pins::kTcOut, reply);
        options.skb->ingress_ifindex = lab().eth0();
        ASSERT_TRUE(back) << in.text() << ": " << back.error().message;
        EXPECT_TRUE(expect_translation(reply, back->frame, Where::kSource, kListen));
    }
}

// Every UDP checksum is met once: 0xffff and what turns into it included, and 0 never comes out.
TEST_P(Shapes, EveryChecksumValue) {
    attach();
    for (const bool ipv6 : {false, true}) {
        const Ends in = Ends::in(ipv6, true);
        static_cast<void>(lab().in(opening(in)));
        for (unsigned value = 0; value < 65536;
             value += value < 0xff00 && value > 0x100 ? 257 : 1) {
            const Bytes payload{static_cast<std::uint8_t>(value >> 8U),
                                static_cast<std::uint8_t>(value)};
            const Bytes before = frame(ip(in) / l4(in) / Payload(payload));
            ASSERT_TRUE(
                expect_translation(before, lab().in(before).frame, Where::kDestination, kTarget));
        }
    }
}

// Cut anywhere, a frame comes out as it went in, and as long.
TEST_P(Shapes, Truncated) {
    attach(BP_RULE_VLAN);
    for (const Ends& in : kConversations) {
        static_cast<void>(lab().in(opening(in)));
        for (const Shape& shape : shapes()) {
            if (!applies(shape, in) || shape.fate == Fate::kUntouched) continue;
            // Without a length in the IP header, whatever is there is whole.
            if (std::string_view(shape.name).ends_with("BIG TCP")) continue;
            const Bytes full = shape.build(in);
            const std::size_t end = std::min<std::size_t>(full.size(), 200);
            for (std::size_t size = 14; size < end; ++size) {
                SCOPED_TRACE(fmt::format("{}, {}, {} bytes", shape.name, in.text(), size));
                const Bytes cut(full.begin(), full.begin() + static_cast<std::ptrdiff_t>(size));
                if (!runnable(cut)) continue;
                const TestRun there = lab().in(cut);
                ASSERT_EQ(there.action, kNext);
                const View view = parse(cut);
                if (there.frame == cut) continue;
                ASSERT_TRUE(view.packet && view.packet->dport)
                    << "a port was changed that is not there: " << describe(cut);
                ASSERT_TRUE(expect_translation(cut, there.frame, Where::kDestination, kTarget));
            }
        }
    }
}

BOTH_OBJECTS(Shapes);

} // namespace
} // namespace bpfport::test
