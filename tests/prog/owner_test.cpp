// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Sockets that exist when a packet comes: which one listens, which holds its tuple. The older connection
// always wins, and the newer is refused with a reset that its stack accepts.
#include "harness/capture.hpp"
#include "prog/decisions.hpp"

namespace bpfport::test {
namespace {

class Owners : public Decisions {};

TEST_P(Owners, NobodyListens) {
    attach(0, BP_ABSENT_PASS);
    for (const Ends& e : kConversations) EXPECT_EQ(port_in(opening(e)), kListen);
    EXPECT_EQ(lab().outcomes(), "absent_passed 4");
    lab().forget();
    attach(0, BP_ABSENT_DROP);
    for (const Ends& e : kConversations) EXPECT_EQ(lab().in(opening(e)).action, kDrop);
    EXPECT_EQ(lab().outcomes(), "absent_dropped 4");
    lab().forget();
    attach(0, BP_ABSENT_RESET);
    for (const Ends& e : kConversations) EXPECT_EQ(port_in(opening(e)), kTarget);
    EXPECT_EQ(lab().outcomes(), "");
}

TEST_P(Owners, SomebodyListens) {
    for (const Ends& e : kConversations) {
        SocketOptions options;
        options.source = Endpoint{Lab::address(e.ipv6), kTarget};
        auto socket = open_socket(lab().netns(), e.ipv6 ? AF_INET6 : AF_INET,
                                  e.udp ? SOCK_DGRAM : SOCK_STREAM, options);
        ASSERT_TRUE(socket) << socket.error().message;
        ASSERT_TRUE(e.udp || ::listen(socket->get(), 1) == 0);
        for (const std::uint8_t absent : {BP_ABSENT_PASS, BP_ABSENT_DROP}) {
            attach(0, absent);
            EXPECT_EQ(port_in(opening(e)), kTarget) << e.text();
        }
    }
    EXPECT_EQ(lab().outcomes(), "");
}

// A server that was on the listen port before the rule keeps its connections.
TEST_P(Owners, ConnectionsOnTheListenPort) {
    for (const bool ipv6 : {false, true}) {
        const Connection old = connect(ipv6, kListen);
        attach();
        EXPECT_EQ(port_in(segment(Ends::in(ipv6, false))), kListen);
        Ends other = Ends::in(ipv6, false);
        other.sport = 40001;
        EXPECT_EQ(port_in(opening(other)), kTarget) << "new clients get the new server";
    }
    EXPECT_EQ(lab().outcomes(), "listen_socket 2");
}

// Blue and green: 80:3000 has become 80:3001, and connections on record stay with 3000.
TEST_P(Owners, ConnectionsOfTheOldTarget) {
    for (const bool ipv6 : {false, true}) {
        lab().rules({{"80:3000"}});
        const Connection old = connect(ipv6, kTarget);
        put_on_record(old.server, kListen, lab().rule_id("80:3000"));
        lab().forget();
        lab().rules({{.text = "80:3001", .old_target_first = kTarget}});
        EXPECT_EQ(port_in(segment(Ends::in(ipv6, false))), kTarget);
        EXPECT_EQ(port_in(segment(Ends::in(ipv6, false))), kTarget) << "by its hint";
        Ends other = Ends::in(ipv6, false);
        other.sport = 40001;
        EXPECT_EQ(port_in(opening(other)), 3001);
    }
    EXPECT_EQ(lab().outcomes(), "");
}

// A handshake that has no hint: its own packets are known by their numbers, where the program can
// read those; where it can't, TCP judges, and a SYN waits.
TEST_P(Owners, HandshakesWithoutAHint) {
    const bool reads = GetParam() == TcObject::kDirect;
    lab().netns().ip("neigh replace 192.0.2.9 lladdr 02:00:00:00:00:01 dev eth0");
    lab().netns().ip("neigh replace 2001:db8::9 lladdr 02:00:00:00:00:01 dev eth0");
    attach();
    for (const bool ipv6 : {false, true}) {
        SCOPED_TRACE(ipv6 ? "v6" : "v4");
        auto listener = open_socket(lab().netns(), ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM,
                                    {.source = Endpoint{Lab::address(ipv6), kTarget}});
        ASSERT_TRUE(listener) << listener.error().message;
        ASSERT_EQ(::listen(listener->get(), 1), 0);
        Ends e = Ends::in(ipv6, false);
        e.from = ipv6 ? "2001:db8::9" : "192.0.2.9";
        const auto frame = [&](std::uint16_t port, std::uint32_t seq, std::uint32_t ack,
                               std::uint8_t flags) {
            const Tcp tcp{.sport = e.sport, .dport = port, .seq = seq, .ack = ack, .flags = flags};
            return (Lab::ethernet() / ip(e) / tcp).build();
        };
        Capture wire(Interface(lab().netns(), "peer0"));
        wire.send(frame(kTarget, 5000, 0, kSyn));
        const auto answer = wire.next([&](const Captured& c) {
            return !c.outgoing && c.view.packet && c.view.packet->dst == e.from &&
                   c.view.packet->dport == e.sport;
        });
        ASSERT_TRUE(answer);
        const std::size_t at = answer->view.packet->l4_offset + 4;
        std::uint32_t isn = 0;
        for (std::size_t i = 0; i < 4; ++i) isn = isn << 8 | answer->frame[at + i];

        EXPECT_EQ(port_in(frame(kListen, 5001, isn + 1, kAck)), kTarget);
        lab().forget();
        EXPECT_EQ(port_in(frame(kListen, 5001, isn + 2, kAck)), reads ? kListen : kTarget);
        lab().forget();
        if (reads)
            EXPECT_EQ(port_in(frame(kListen, 5000, 0, kSyn)), kTarget) << "the same SYN again";
        else
            EXPECT_EQ(lab().in(frame(kListen, 5000, 0, kSyn)).action, kDrop);
        lab().forget();
        EXPECT_EQ(lab().in(frame(kListen, 4999, 0, kSyn)).action, kDrop)
            << "another's SYN waits: the handshake may be nobody's";
        EXPECT_EQ(lab().outcomes(), reads ? "older_direct 1" : "");
        lab().forget();
    }
}

BOTH_OBJECTS(Owners);

// Refused: a reset goes back the way the packet came, as the peer's stack wants it.
class Refusals : public Decisions {
  protected:
    // The reset that answers a packet of e, built from nothing.
    static Bytes reset(const Ends& e, const Packet& network, const Tcp& tcp, const Payload& data) {
        Tcp answer = tcp;
        answer.sport = e.dport;
        answer.dport = e.sport;
        answer.seq = 0;
        answer.ack = tcp.seq + 1 + static_cast<std::uint32_t>(data.bytes.size());
        answer.flags = kRst | kAck;
        answer.window = 0;
        return (Ethernet{.dst = kPeerMac, .src = kEth0Mac} / network / answer / data).build();
    }

    // SYNs in several forms, all of them answered.
    void expect_refused(const Ends& e, const std::string& outcome) {
        const Bytes mss{2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7};
        for (const Bytes& options : {Bytes{}, mss})
            for (const std::size_t size : {0, 1, 100}) // data: Fast Open
                for (const bool ip_options : {false, true}) {
                    SCOPED_TRACE(fmt::format("{}, {} bytes of options, {} of data, IP options {}",
                                             e.text(), options.size(), size, ip_options));
                    const Tcp tcp{.sport = e.sport,
                                  .dport = e.dport,
                                  .seq = 0xfffffff0,
                                  .flags = kSyn,
                                  .options = options};
                    const auto network = [&](const Address& from, const Address& to, bool answer) {
                        const std::uint8_t hops = answer ? 64 : 57;
                        if (e.ipv6 && ip_options)
                            return Ipv6{.src = from, .dst = to, .hop_limit = hops} / HopByHop{};
                        if (e.ipv6) return Packet(Ipv6{.src = from, .dst = to, .hop_limit = hops});
                        return Packet(Ipv4{.src = from,
                                           .dst = to,
                                           .ttl = hops,
                                           .id = 77,
                                           .options = Bytes(ip_options ? 8 : 0, 1)});
                    };
                    lab().forget();
                    const Payload data(size);
                    const TestRun run = lab().in(
                        (Lab::ethernet() / network(e.from, e.to, false) / tcp / data).build());
                    EXPECT_EQ(run.action, kSentBack);
                    EXPECT_TRUE(
                        same_frame(reset(e, network(e.to, e.from, true), tcp, data), run.frame));
                    EXPECT_EQ(lab().outcomes(), outcome);
                }
    }
};

TEST_P(Refusals, TheOlderDirectConnectionWins) {
    for (const bool ipv6 : {false, true}) {
        attach();
        const Connection older = connect(ipv6, kTarget);
        expect_refused(Ends::in(ipv6, false), "older_direct 1");
        EXPECT_EQ(port_in(segment(Ends::in(ipv6, false))), kListen) << "no SYN: left alone";
        put_on_record(older.server, 0, 0);
        expect_refused(Ends::in(ipv6, false), "older_direct 1");
    }
}

TEST_P(Refusals, TheOlderRedirectedConnectionWins) {
    for (const bool ipv6 : {false, true}) {
        attach();
        const Connection older = connect(ipv6, kTarget);
        put_on_record(older.server, kListen, lab().rule_id("80:3000"));
        expect_refused(Ends::in(ipv6, false, kTarget), "older_redirected 1");
        lab().forget();
        EXPECT_EQ(port_in(opening(Ends::in(ipv6, false))), kTarget) << "a SYN of its own peer";
        EXPECT_EQ(port_in(segment(Ends::in(ipv6, false))), kTarget);
        EXPECT_EQ(lab().outcomes(), "");
    }
}

TEST_P(Refusals, ExclusiveTargets) {
    attach(BP_RULE_EXCLUSIVE);
    for (const bool ipv6 : {false, true}) {
        expect_refused(Ends::in(ipv6, false, kTarget), "exclusive 1");
        lab().forget();
        EXPECT_EQ(lab().in(opening(Ends::in(ipv6, true, kTarget))).action, kDrop);
        EXPECT_EQ(lab().outcomes(), "exclusive 1");
        // Open connections go on; and a peer that this host wrote to first may answer.
        EXPECT_EQ(port_in(segment(Ends::in(ipv6, false, kTarget))), kTarget);
        static_cast<void>(lab().out(segment(Ends::out(ipv6, true))));
        EXPECT_EQ(port_in(opening(Ends::in(ipv6, true, kTarget))), kTarget);
    }
    lab().forget();
    attach(BP_RULE_EXCLUSIVE, BP_ABSENT_DROP);
    EXPECT_EQ(lab().in(opening(Ends::in(false, false, kTarget))).action, kDrop);
    EXPECT_EQ(lab().outcomes(), "exclusive 1");
}

BOTH_OBJECTS(Refusals);

} // namespace
} // namespace bpfport::test
