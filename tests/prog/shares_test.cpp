// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Rules that share a port by weight: how many clients each gets, and whose a packet is when the weights have
// changed since its flow began.
#include <cmath>

#include "harness/amount.hpp"
#include "harness/share_hash.hpp"
#include "prog/decisions.hpp"

namespace bpfport::test {
namespace {

constexpr std::uint16_t kOther = 4000;

class Shares : public Decisions {
  protected:
    // Of kTarget and kOther.
    void share(unsigned target, unsigned other, std::uint8_t on_absent = BP_ABSENT_RESET) const {
        const auto text = [](std::uint16_t port, unsigned weight, const char* protocol) {
            return fmt::format("80:{}*{}{}", port, weight, protocol);
        };
        const std::string texts[] = {text(kTarget, target, ""), text(kOther, other, ""),
                                     text(kTarget, target, "/udp"), text(kOther, other, "/udp")};
        std::vector<LabRule> rules;
        for (const auto& one : texts) rules.push_back({.text = one, .on_absent = on_absent});
        lab().rules(rules);
    }
};

// Within what a binomial distribution has in 99.9 percent of all cases.
TEST_P(Shares, ConnectionsAreAsTheWeights) {
    const int connections = static_cast<int>(quick_or_full(100000, 100000, 20000));
    share(95, 5);
    for (const bool ipv6 : {false, true}) {
        int other = 0;
        Ends in = Ends::in(ipv6, false);
        for (int i = 0; i < connections / 2; i++) {
            // Neighbouring ports of neighbouring clients.
            const int client = i / 500;
            in.from = (ipv6 ? fmt::format("2001:db8:7::{:x}", client)
                            : fmt::format("198.51.{}.{}", client / 50, client % 50))
                          .c_str();
            in.sport = static_cast<std::uint16_t>(32768 + i % 500);
            const TestRun run = lab().in(opening(in));
            const auto port = parse(run.frame).packet->dport.value_or(0);
            ASSERT_EQ(port, share_of({in.from, in.sport}, in.to) < 0.95 ? kTarget : kOther)
                << in.from.text() << " " << in.sport;
            other += port == kOther ? 1 : 0;
        }
        const double expected = connections / 2 * 0.05, deviation = std::sqrt(expected * 0.95);
        EXPECT_NEAR(other, expected, 3.29 * deviation) << in.text();
    }
}

TEST_P(Shares, AFlowStaysWhereItBegan) {
    for (const Ends& in : kConversations) {
        SCOPED_TRACE(in.text());
        for (const auto& [first, second] :
             {std::pair(kTarget, kOther), std::pair(kOther, kTarget)}) {
            lab().forget();
            share(first == kTarget, first == kOther);
            ASSERT_EQ(port_in(opening(in)), first);
            share(second == kTarget, second == kOther);
            EXPECT_EQ(port_in((Lab::ethernet() / ip(in) / l4(in)).build()), first);
            const Ends reply = Ends::out(in.ipv6, in.udp, first);
            EXPECT_EQ(port_out((Lab::ethernet() / ip(reply) / l4(reply)).build()), kListen);
            // A SYN begins a new connection, since no socket has the old one.
            EXPECT_EQ(port_in(opening(in)), in.udp ? first : second);
            EXPECT_EQ(port_in((Lab::ethernet() / ip(in) / l4(in)).build()),
                      in.udp ? first : second);
        }
    }
}

// The record is in the socket, its hint is gone: as after a flood.
TEST_P(Shares, AConnectionIsKnownByItsSocket) {
    for (const bool ipv6 : {false, true}) {
        SCOPED_TRACE(ipv6 ? "IPv6" : "IPv4");
        lab().forget();
        share(1, 0);
        const Connection held = connect(ipv6, kTarget);
        const bp_record record{htons(kListen), lab().rule_id("80:3000*1"), 0, BP_RECORD_FLOW};
        const int socket = held.server.get();
        ASSERT_EQ(bpf_map_update_elem(lab().map(pins::kRecords).get(), &socket, &record, BPF_ANY),
                  0);
        share(0, 1);
        const Ends in = Ends::in(ipv6, false);
        EXPECT_EQ(port_in((Lab::ethernet() / ip(in) / l4(in)).build()), kTarget);
        Ends other = in;
        other.sport = kClient + 1;
        EXPECT_EQ(port_in(opening(other)), kOther) << "a new one";
    }
}

// A router quotes a reply, whichever target it is of.
TEST_P(Shares, IcmpErrorsFindTheTarget) {
    for (const Ends& in : kConversations) {
        SCOPED_TRACE(in.text());
        lab().forget();
        share(0, 1);
        ASSERT_EQ(port_in(opening(in)), kOther);
        share(1, 0);
        const Ends reply = Ends::out(in.ipv6, in.udp, kListen);
        const Packet message = in.ipv6 ? Packet(Icmp6{.type = 2, .code = 0, .rest = 1280})
                                       : Packet(Icmp4{.type = 3, .code = 4, .rest = 1280});
        Ends error{in.ipv6, false, in.ipv6 ? "2001:db8:5::1" : "198.51.100.1", reply.from, 0, 0};
        const Bytes frame = (Lab::ethernet() / ip(error) / message /
                             Quote(ip(reply) / l4(reply) / Payload(64), 200))
                                .build();
        EXPECT_TRUE(expect_translation(frame, lab().in(frame).frame, Where::kQuotedSource, kOther));
    }
}

// Its answer belongs to the socket on the listen port, although the target of the hash has no listener and
// the other one has.
TEST_P(Shares, NextLeavesAnAnswerToThisHostAlone) {
    for (const bool ipv6 : {false, true}) {
        SCOPED_TRACE(ipv6 ? "IPv6" : "IPv4");
        lab().forget();
        share(1, 1, BP_ABSENT_NEXT);
        SocketOptions options;
        options.source = Endpoint{Lab::address(ipv6), kOther};
        const auto server =
            open_socket(lab().netns(), ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM, options);
        ASSERT_TRUE(server);
        Ends in = Ends::in(ipv6, true);
        while (share_of({in.from, in.sport}, in.to) >= 0.5) in.sport++;
        EXPECT_EQ(port_in(opening(in)), kOther) << "a client";
        lab().forget();
        const Ends sent{ipv6, true, in.to, in.from, kListen, in.sport};
        EXPECT_EQ(port_out((Lab::ethernet() / ip(sent) / l4(sent)).build()), kListen);
        EXPECT_EQ(port_in(opening(in)), kListen);
    }
}

BOTH_OBJECTS(Shares);

} // namespace
} // namespace bpfport::test
