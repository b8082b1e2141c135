// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// ICMP errors: the port they quote is translated when the flow is ours, with every checksum summed
// up anew; all else comes out untouched. In: a router quotes our reply. Out: we quote the client.
#include <span>

#include "prog/programs.hpp"

namespace bpfport::test {
namespace {

struct Kind {
    std::uint8_t type;
    std::uint8_t code;
    std::uint32_t rest;
};

const Kind kKinds4[] = {{3, 0, 0},          {3, 1, 0},  {3, 3, 0},  {3, 4, 1280},
                        {5, 1, 0xc6336402}, {11, 0, 0}, {11, 1, 0}, {12, 0, 0x14000000}};
const Kind kKinds6[] = {{1, 0, 0}, {1, 4, 0}, {2, 0, 1280}, {3, 0, 0}, {3, 1, 0}, {4, 0, 40}};
const Kind kNoErrors4[] = {{4, 0, 0}, {0, 0, 1}, {8, 0, 1}, {13, 0, 1}};
const Kind kNoErrors6[] = {{128, 0, 1}, {129, 0, 1}, {135, 0, 0}};

std::span<const Kind> kinds(bool ipv6) {
    if (ipv6) return kKinds6;
    return kKinds4;
}

std::span<const Kind> others(bool ipv6) {
    if (ipv6) return kNoErrors6;
    return kNoErrors4;
}

// About a packet from e.from to e.to; the error goes the other way, from a router's address or back.
struct Error {
    Address from;
    Address to;
    Kind kind;
};

Packet icmp(bool ipv6, const Kind& kind) {
    if (ipv6) return Icmp6{.type = kind.type, .code = kind.code, .rest = kind.rest};
    return Icmp4{.type = kind.type, .code = kind.code, .rest = kind.rest};
}

Packet outer(const Error& error) {
    if (error.from.is_ipv6()) return Ipv6{.src = error.from, .dst = error.to};
    return Ipv4{.src = error.from, .dst = error.to};
}

Bytes about(const Packet& quoted, const Error& error, std::size_t limit) {
    return (Lab::ethernet() / outer(error) / icmp(error.from.is_ipv6(), error.kind) /
            Quote(quoted, limit))
        .build();
}

Address router(bool ipv6) { return ipv6 ? "2001:db8:5::1" : "198.51.100.1"; }

// What a quote may look like, given the packet it is of.
struct Form {
    const char* name;
    std::size_t transport; // bytes of the transport header and what follows
    Checksum checksum = Checksum::kCorrect;
};
const Form kForms[] = {{"whole", 2000},
                       {"28 bytes of transport", 28},
                       {"20 bytes of transport", 20},
                       {"19 bytes of transport", 19},
                       {"17 bytes of transport", 17},
                       {"8 bytes of transport", 8},
                       {"wrong checksum", 2000, Checksum::kWrong},
                       {"partial checksum", 2000, Checksum::kPartial},
                       {"no checksum", 2000, Checksum::kZero}};

class IcmpErrors : public Programs {
  protected:
    void SetUp() override {
        Programs::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        attach();
        for (const Ends& in : kConversations) static_cast<void>(lab().in(opening(in)));
    }
};

TEST_P(IcmpErrors, QuotesOfOurRepliesAreTranslated) {
    for (const Ends& in : kConversations) {
        const Ends reply = Ends::out(in.ipv6, in.udp, kListen);
        for (const Kind& kind : kinds(in.ipv6))
            for (const Form& form : kForms) {
                if (form.checksum == Checksum::kZero && !in.udp) continue;
                SCOPED_TRACE(fmt::format("{}, type {} code {}, {}", in.text(), kind.type, kind.code,
                                         form.name));
                const Bytes error = about(ip(reply) / l4(reply, form.checksum) / Payload(64),
                                          {router(in.ipv6), reply.from, kind},
                                          (in.ipv6 ? 40 : 20) + form.transport);
                const TestRun run = lab().in(error);
                EXPECT_EQ(run.action, kNext);
                EXPECT_TRUE(expect_translation(error, run.frame, Where::kQuotedSource, kTarget));
            }
    }
}

TEST_P(IcmpErrors, QuotesOfClientsAreTranslated) {
    for (const Ends& in : kConversations) {
        const Ends redirected = Ends::in(in.ipv6, in.udp, kTarget);
        for (const Kind& kind : kinds(in.ipv6))
            for (const Form& form : kForms) {
                if (form.checksum == Checksum::kZero && !in.udp) continue;
                SCOPED_TRACE(fmt::format("{}, type {} code {}, {}", in.text(), kind.type, kind.code,
                                         form.name));
                const Bytes error = about(
                    ip(redirected) / l4(redirected, form.checksum) / Payload(64),
                    {redirected.to, redirected.from, kind}, (in.ipv6 ? 40 : 20) + form.transport);
                const TestRun run = lab().out(error);
                EXPECT_EQ(run.action, kNext);
                EXPECT_TRUE(
                    expect_translation(error, run.frame, Where::kQuotedDestination, kListen));
            }
    }
    EXPECT_GT(lab().outcome(BP_OUTCOME_ICMP_OUT), 0);
}

// A quoted UDP checksum that comes out as zero is written as all ones: zero says there is none.
TEST_P(IcmpErrors, QuotedChecksumsDontBecomeNone) {
    for (const bool ipv6 : {false, true}) {
        const Ends reply = Ends::out(ipv6, true, kListen);
        for (unsigned value = 0; value < 65536; ++value) {
            const Bytes payload{static_cast<std::uint8_t>(value >> 8U),
                                static_cast<std::uint8_t>(value)};
            Ends changed = reply;
            changed.sport = kTarget;
            const Bytes quoted = (ip(changed) / l4(changed) / Payload(payload)).build();
            if (quoted[quoted.size() - 4] != 0xff || quoted[quoted.size() - 3] != 0xff) continue;
            const Bytes error = about(ip(reply) / l4(reply) / Payload(payload),
                                      {router(ipv6), reply.from, kinds(ipv6)[0]}, kWhole);
            EXPECT_TRUE(
                expect_translation(error, lab().in(error).frame, Where::kQuotedSource, kTarget));
            break;
        }
    }
    EXPECT_EQ(lab().outcome(BP_OUTCOME_ICMP_IN), 2);
}

TEST_P(IcmpErrors, QuotedHeadersMayBeLong) {
    for (const Ends& in : kConversations) {
        const Ends reply = Ends::out(in.ipv6, in.udp, kListen);
        SCOPED_TRACE(in.text());
        const Packet quoted =
            in.ipv6 ? ip(reply) / HopByHop{} / DestinationOptions{}
                    : Packet(Ipv4{.src = reply.from, .dst = reply.to, .options = Bytes(40, 1)});
        const Bytes error =
            (Lab::ethernet() / Vlan{.id = 0} / outer({router(in.ipv6), reply.from, {}}) /
             icmp(in.ipv6, kinds(in.ipv6)[0]) / Quote(quoted / l4(reply) / Payload(8)))
                .build();
        EXPECT_TRUE(
            expect_translation(error, lab().in(error).frame, Where::kQuotedSource, kTarget));
    }
}

TEST_P(IcmpErrors, OfOthersKeepTheirPort) {
    for (const Ends& in : kConversations) {
        SCOPED_TRACE(in.text());
        Ends stranger = Ends::out(in.ipv6, in.udp, kListen); // our listen port, an unknown client
        stranger.dport = 40001;
        Ends elsewhere = Ends::out(in.ipv6, in.udp, 8080); // a port without a rule
        const Kind kind = kinds(in.ipv6)[1];
        for (const Ends& e : {stranger, elsewhere}) {
            const Bytes error =
                about(ip(e) / l4(e) / Payload(64), {router(in.ipv6), e.from, kind}, kWhole);
            EXPECT_TRUE(expect_untouched(error, lab().in(error).frame));
        }
        Ends direct = Ends::in(in.ipv6, in.udp, kTarget); // a client of the target port itself
        direct.sport = 40001;
        const Bytes error =
            about(ip(direct) / l4(direct) / Payload(64), {direct.to, direct.from, kind}, kWhole);
        EXPECT_TRUE(expect_untouched(error, lab().out(error).frame));
        // Later fragments of a quoted packet have no ports.
        Ends reply = Ends::out(in.ipv6, in.udp, kListen);
        const Packet later =
            in.ipv6 ? Packet(Ipv6{.src = reply.from, .dst = reply.to}) / Fragment{.offset = 64}
                    : Packet(Ipv4{.src = reply.from, .dst = reply.to, .fragment_offset = 64});
        const Bytes fragment =
            about(later / l4(reply) / Payload(64), {router(in.ipv6), reply.from, kind}, kWhole);
        EXPECT_TRUE(expect_untouched(fragment, lab().in(fragment).frame));
    }
    EXPECT_EQ(lab().outcome(BP_OUTCOME_ICMP_IN), 0);
    EXPECT_EQ(lab().outcome(BP_OUTCOME_ICMP_OUT), 0);
}

TEST_P(IcmpErrors, OtherMessagesPass) {
    for (const bool ipv6 : {false, true}) {
        const Ends reply = Ends::out(ipv6, true, kListen);
        for (const Kind& kind : others(ipv6)) {
            const Bytes message = about(ip(reply) / l4(reply) / Payload(64),
                                        {router(ipv6), reply.from, kind}, kWhole);
            EXPECT_TRUE(expect_untouched(message, lab().in(message).frame));
            EXPECT_TRUE(expect_untouched(message, lab().out(message).frame));
        }
    }
}

// Cut anywhere, an error comes out as it went in or with the right port.
TEST_P(IcmpErrors, Truncated) {
    for (const Ends& in : kConversations) {
        const Ends reply = Ends::out(in.ipv6, in.udp, kListen);
        const Bytes full = about(ip(reply) / l4(reply) / Payload(64),
                                 {router(in.ipv6), reply.from, kinds(in.ipv6)[1]}, kWhole);
        for (std::size_t size = 14; size < full.size(); ++size) {
            SCOPED_TRACE(fmt::format("{}, {} bytes", in.text(), size));
            const Bytes cut(full.begin(), full.begin() + static_cast<std::ptrdiff_t>(size));
            if (!runnable(cut)) continue;
            const Bytes after = lab().in(cut).frame;
            if (after == cut) continue;
            ASSERT_TRUE(expect_translation(cut, after, Where::kQuotedSource, kTarget));
        }
    }
}

BOTH_OBJECTS(IcmpErrors);

} // namespace
} // namespace bpfport::test
