// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Which packets a rule is for, which it leaves alone, and that each reason is counted.
#include "prog/decisions.hpp"

namespace bpfport::test {
namespace {

TEST_P(Decisions, PortsWithoutARulePass) {
    attach();
    for (Ends e : kConversations)
        for (const std::uint16_t port : {79, 81, 8080, 0, 65535}) {
            e.dport = port;
            EXPECT_EQ(port_in(opening(e)), port);
        }
    EXPECT_EQ(lab().outcomes(), "");
}

TEST_P(Decisions, TcpAndUdpAreApart) {
    lab().rules({{"80:3000"}, {"53:5300/udp"}});
    EXPECT_EQ(port_in(opening(Ends::in(false, true, 80))), 80);
    EXPECT_EQ(port_in(opening(Ends::in(true, false, 53))), 53);
    EXPECT_EQ(port_in(opening(Ends::in(true, true, 53))), 5300);
}

TEST_P(Decisions, RangesMapOneToOne) {
    lab().rules({{"8000-8010:18000-18010"}, {"1-79:40001-40079"}});
    for (std::uint16_t port = 7999; port <= 8011; ++port) {
        const bool inside = port >= 8000 && port <= 8010;
        EXPECT_EQ(port_in(opening(Ends::in(true, false, port))), port + (inside ? 10000 : 0));
        EXPECT_EQ(
            port_out(segment(Ends::out(true, false, static_cast<std::uint16_t>(port + 10000)))),
            port + (inside ? 0 : 10000));
    }
    EXPECT_EQ(port_in(opening(Ends::in(false, false, 1))), 40001);
    EXPECT_EQ(port_in(opening(Ends::in(false, false, 79))), 40079);
}

TEST_P(Decisions, TheMostSpecialRuleOfAPort) {
    lab().rules({{"80:3000"},
                 {.text = "80:3001", .ifindex = lab().eth0()},
                 {"192.0.2.2:80:3002"},
                 {.text = "192.0.2.4:80:3004", .ifindex = lab().eth0()},
                 {.text = "[2001:db8::2]:80:3003", .ifindex = lab().eth0()}});
    EXPECT_EQ(port_in(opening(Ends::in(false, false))), 3001) << "the interface comes first";
    EXPECT_EQ(port_in(opening(Ends::in(true, false))), 3003);
    const auto to = [](const char* address) {
        Ends ends = Ends::in(false, false);
        ends.to = address;
        return opening(ends);
    };
    EXPECT_EQ(port_in(to("192.0.2.3")), 3001);
    EXPECT_EQ(port_in(to("192.0.2.4")), 3004) << "then the address";
    const auto on_lo = [&](const char* address) {
        Bytes frame = to(address);
        std::fill_n(frame.begin(), 6, std::uint8_t{0});
        lab().own(address, lab().eth0() + 100);
        return port_after(frame, lab().in_lo(frame));
    };
    EXPECT_EQ(on_lo("192.0.2.3"), 3000) << "another interface's address";
    EXPECT_EQ(on_lo("192.0.2.2"), 3002);
}

TEST_P(Decisions, AnotherInterfacesRule) {
    lab().rules({{.text = "80:3000", .ifindex = lab().eth0() + 100}, {"192.0.2.9:81:3000"}});
    EXPECT_EQ(port_in(opening(Ends::in(false, false))), kListen);
    EXPECT_EQ(port_in(opening(Ends::in(false, false, 81))), 81);
    EXPECT_EQ(lab().outcomes(), "other_scope 2");
}

// A local client's packet takes the rule of the interface that owns the address.
TEST_P(Decisions, LocalClients) {
    lab().own(Lab::address(false), lab().eth0());
    lab().own("192.0.2.99", lab().eth0() + 100);
    lab().rules({{.text = "80:3000", .ifindex = lab().eth0()},
                 {.text = "81:3001", .flags = BP_RULE_NO_LOCAL, .ifindex = lab().eth0()}});
    const auto local = [&](const Address& to, std::uint16_t port) {
        const Ends e{.from = to, .to = to, .sport = kClient, .dport = port};
        const Bytes before = (Ethernet{} / ip(e) / syn(e)).build();
        return port_after(before, lab().in_lo(before));
    };
    EXPECT_EQ(local(Lab::address(false), 80), 3000);
    EXPECT_EQ(local("127.0.0.1", 80), 3000);
    EXPECT_EQ(local("192.0.2.99", 80), 80);
    EXPECT_EQ(local(Lab::address(false), 81), 81);
    EXPECT_EQ(lab().outcomes(), "other_scope 2");
}

TEST_P(Decisions, FramesForAnotherHost) {
    attach();
    for (const Ends& e : kConversations) {
        Ethernet other = Lab::ethernet();
        other.dst[5] = 0x77;
        const Bytes before = (other / ip(e) / l4(e)).build();
        EXPECT_EQ(port_in(before), kListen);
    }
    EXPECT_EQ(lab().outcomes(), "other_host 4");
}

TEST_P(Decisions, MulticastAndBroadcast) {
    attach();
    for (const char* to : {"224.0.0.1", "239.255.255.250", "255.255.255.255", "ff02::1"}) {
        Ends e = Ends::in(Address(to).is_ipv6(), true);
        e.to = to;
        EXPECT_EQ(port_in(opening(e)), kListen) << to;
    }
    EXPECT_EQ(lab().outcomes(), "multicast 4");
}

TEST_P(Decisions, OtherMachinesTraffic) {
    lab().netns().sysctl("net/ipv4/ip_forward", "1");
    lab().netns().sysctl("net/ipv6/conf/all/forwarding", "1");
    attach();
    for (Ends e : kConversations) {
        e.to = e.ipv6 ? "2001:db8::77" : "192.0.2.77";
        EXPECT_EQ(port_in(opening(e)), kListen) << e.text();
        e.to = Lab::address(e.ipv6);
        EXPECT_EQ(port_in(opening(e)), kTarget) << e.text();
    }
    EXPECT_EQ(lab().outcomes(), "not_local 4");
    attach(BP_RULE_FORWARDED);
    for (Ends e : kConversations) {
        e.to = e.ipv6 ? "2001:db8::77" : "192.0.2.77";
        EXPECT_EQ(port_in(opening(e)), kTarget) << e.text();
        // The reply: it came in elsewhere and is on its way out here.
        if (!kernel_at_least(5, 15)) continue; // a test run can't say so
        Ends reply{e.ipv6, e.udp, e.to, e.from, kTarget, kClient};
        __sk_buff skb{};
        skb.ifindex = skb.ingress_ifindex = lab().eth0();
        const auto leaves_as = [&](const Bytes& before, std::uint16_t port) {
            const Bytes after = lab().run(pins::kTcOut, before, {.skb = skb}).frame;
            EXPECT_TRUE(port == kListen ? expect_translation(before, after, Where::kSource, port)
                                        : expect_untouched(before, after));
        };
        // Of a connection the far host's answer to the SYN is the proof that it goes this way.
        const Tcp answer{.sport = kTarget, .dport = kClient, .ack = 1001, .flags = kSyn | kAck};
        if (!e.udp) leaves_as(segment(reply), kTarget);
        if (!e.udp) leaves_as((Lab::ethernet() / ip(reply) / answer).build(), kListen);
        leaves_as(segment(reply), kListen);
        reply.dport = 40001; // who never asked for port 80
        const Bytes stranger = segment(reply);
        EXPECT_TRUE(
            expect_untouched(stranger, lab().run(pins::kTcOut, stranger, {.skb = skb}).frame));
    }
}

TEST_P(Decisions, RepliesNotOnRecordPass) {
    attach();
    for (const Ends& e : kConversations)
        EXPECT_EQ(port_out(segment(Ends::out(e.ipv6, e.udp))), kTarget);
    EXPECT_EQ(lab().outcomes(), "");
}

// The newer has its turn when the older was not used for 30 ticks.
TEST_P(Decisions, UdpsOlderPortWins) {
    attach();
    const auto age = [&] {
        const Fd& flows = lab().map(pins::kUdpFlows);
        bp_flow_key key{};
        bp_flow flow{};
        ASSERT_EQ(bpf_map_get_next_key(flows.get(), nullptr, &key), 0);
        ASSERT_EQ(bpf_map_lookup_elem(flows.get(), &key, &flow), 0);
        flow.last_used = static_cast<std::uint16_t>(flow.last_used - 30);
        ASSERT_EQ(bpf_map_update_elem(flows.get(), &key, &flow, BPF_EXIST), 0);
    };
    for (const bool ipv6 : {false, true}) {
        lab().forget();
        const Bytes reply = segment(Ends::out(ipv6, true));
        const Bytes redirected = opening(Ends::in(ipv6, true));
        const Bytes direct = opening(Ends::in(ipv6, true, kTarget));
        for (int round = 0; round < 2; ++round) {
            EXPECT_EQ(port_in(redirected), kTarget);
            EXPECT_EQ(port_out(reply), kListen);
            EXPECT_EQ(lab().in(direct).action, kDrop);
            EXPECT_EQ(port_out(reply), kListen);
            age();
            EXPECT_EQ(port_in(direct), kTarget);
            EXPECT_EQ(port_out(reply), kTarget);
            EXPECT_EQ(lab().in(redirected).action, kDrop);
            EXPECT_EQ(port_out(reply), kTarget);
            age();
        }
        EXPECT_EQ(lab().outcomes(), "older_direct 2, older_redirected 2");
    }
}

TEST_P(Decisions, DrainingRulesTakeNoNewFlows) {
    attach();
    for (const Ends& e : kConversations) EXPECT_EQ(port_in(opening(e)), kTarget);
    attach(BP_RULE_DRAINING);
    for (Ends e : kConversations) {
        // A flow on record goes on, a connection with all but its SYN.
        EXPECT_EQ(port_in(e.udp ? opening(e) : segment(e)), kTarget);
        e.sport = 40001;
        EXPECT_EQ(port_in(opening(e)), kListen);
    }
    EXPECT_EQ(lab().outcomes(), "draining 4");
}

TEST_P(Decisions, OneTableAfterAnother) {
    for (int round = 0; round < 50; ++round) {
        const auto target = static_cast<std::uint16_t>(3000 + round);
        const std::string text = fmt::format("80:{}", target);
        lab().rules({{text}});
        Ends e = Ends::in(round % 2 == 0, false);
        e.sport = static_cast<std::uint16_t>(41000 + round);
        EXPECT_EQ(port_in(opening(e)), target);
        if (round % 5 == 0) {
            lab().rules({});
            EXPECT_EQ(port_in(opening(e)), kListen);
        }
    }
}

TEST_P(Decisions, Counters) {
    attach();
    for (const Ends& e : kConversations) {
        lab().forget();
        const char* rule = e.udp ? "80:3000/udp" : "80:3000";
        const Bytes first = opening(e);
        const Bytes super = (Lab::ethernet() / ip(e) / l4(e) / Payload(3000)).build();
        static_cast<void>(lab().in(first));
        __sk_buff skb{};
        skb.ifindex = skb.ingress_ifindex = lab().eth0();
        skb.gso_segs = 3;
        skb.gso_size = 1000;
        static_cast<void>(lab().run(pins::kTcIn, super, {.skb = skb}));
        const Bytes reply = (Lab::ethernet() / ip(Ends::out(e.ipv6, e.udp)) /
                             l4(Ends::out(e.ipv6, e.udp)) / Payload(3000))
                                .build();
        skb.ingress_ifindex = 0;
        static_cast<void>(lab().run(pins::kTcOut, reply, {.skb = skb}));
        const bp_counters c = lab().counters(rule);
        const std::uint64_t headers = super.size() - 3000;
        EXPECT_EQ(c.packets_in, 4) << e.text();
        EXPECT_EQ(c.bytes_in, first.size() + 3000 + 3 * headers) << e.text();
        EXPECT_EQ(c.packets_out, 3) << e.text();
        EXPECT_EQ(c.bytes_out, 3000 + 3 * headers) << e.text();
        EXPECT_EQ(c.connections, e.udp ? 1 : 0) << "TCP counts records, and these have no socket";
    }
}

BOTH_OBJECTS(Decisions);

} // namespace
} // namespace bpfport::test
