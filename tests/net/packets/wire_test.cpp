// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Packets as no ordinary socket sends them: VLAN tags, options and extension headers, fragments,
// and a device without Ethernet headers.
#include <unistd.h>

#include "harness/capture.hpp"
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;
constexpr auto kClient = ClientServer::client_address;

Packet network(bool ipv6) {
    return ipv6 ? Packet(Ipv6{.src = kClient(true), .dst = kServer(true)})
                : Packet(Ipv4{.src = kClient(false), .dst = kServer(false)});
}

std::uint64_t packets_in(const Netns& netns) {
    return status(netns).at("rules").at(0).at("packets_in").get<std::uint64_t>();
}

// The wanted number of messages, or what came instead within two seconds.
std::size_t seen_by(const UdpServer& server, std::size_t wanted) {
    for (int tries = 0; tries < 200 && server.seen().size() < wanted; ++tries) ::usleep(10000);
    return server.seen().size();
}

// Without VLAN devices nobody takes tagged packets here, but the programs see them.
TEST_F(NetTest, TaggedFramesAreTouchedOnlyWithVlan) {
    const ClientServer net(false);
    const UdpServer udp(net.server, {"::", 3000});
    const Capture wire(net.link.a);
    const Packet link = Ethernet{.dst = net.link.b.mac(), .src = net.link.a.mac()};
    const auto send_tagged = [&] {
        for (const bool ipv6 : {false, true}) {
            const Packet inside = network(ipv6) / Udp{.dport = 80} / Payload("x");
            wire.send((link / Vlan{.id = 5} / inside).build());
            wire.send((link / Vlan{.id = 7, .tpid = 0x88a8} / Vlan{.id = 5} / inside).build());
        }
    };
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/udp"));
    send_tagged();
    EXPECT_EQ(outcome(net.server, "tagged"), 4U);
    EXPECT_EQ(packets_in(net.server), 0U);
    // Tag 0 is a priority, not a VLAN.
    for (const bool ipv6 : {false, true})
        wire.send(
            (link / Vlan{.id = 0, .priority = 5} / network(ipv6) / Udp{.dport = 80} / Payload("x"))
                .build());
    EXPECT_EQ(seen_by(udp, 2), 2U);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/udp --vlan"));
    send_tagged();
    EXPECT_EQ(packets_in(net.server), 6U);
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_F(NetTest, VlanDevices) {
    REQUIRE_LINK_TYPE("vlan");
    const ClientServer net;
    add_vlan(net.link.a, 5).add_address("10.5.0.1/24").add_address("fd05::1/64");
    add_vlan(net.link.b, 5).add_address("10.5.0.2/24").add_address("fd05::2/64");
    const Service web(net.server, 3000);
    struct Case {
        const char* words;
        const char* tagged;
        const char* plain;
    };
    // eth0.5 in the last one is hooked too, above eth0: a packet is redirected once.
    for (const Case& one : {Case{"eth0 80:3000/tcp+udp", "refused", "hello"},
                            Case{"eth0.5 80:3000/tcp+udp", "hello", "refused"},
                            Case{"eth0 80:3000/tcp+udp --vlan", "hello", "hello"},
                            Case{"any 80:3000/tcp+udp --vlan", "hello", "hello"}}) {
        ASSERT_TRUE(works(net.server, std::string("attach ") + one.words));
        for (const Flavour& flavour : kFlavours) {
            SCOPED_TRACE(std::string(one.words) + " " + flavour.text());
            EXPECT_EQ(
                ask(net.client, {flavour.ipv6 ? "fd05::2" : "10.5.0.2", 80}, flavour.transport),
                one.tagged);
            EXPECT_EQ(ask(net.client, {kServer(flavour.ipv6), 80}, flavour.transport), one.plain);
        }
        ASSERT_TRUE(works(net.server, "detach --all"));
    }
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_F(NetTest, OptionsExtensionHeadersAndFragments) {
    const ClientServer net(false);
    const UdpServer udp(net.server, {"::", 3000});
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/udp"));
    const Capture wire(net.link.a);
    const Packet link = Ethernet{.dst = net.link.b.mac(), .src = net.link.a.mac()};
    const Packet v4 = Ipv4{.src = kClient(false), .dst = kServer(false), .options = Bytes(4, 1)};
    const Packet datagram = Udp{.sport = 7, .dport = 80} / Payload(4000);
    std::size_t sent = 0;
    wire.send((link / v4 / Udp{.sport = 7, .dport = 80} / Payload("options")).build());
    wire.send((link / network(false) / Udp{.sport = 7, .dport = 80, .checksum = Checksum::kZero} /
               Payload("no checksum"))
                  .build());
    wire.send((link / network(true) / HopByHop{} / DestinationOptions{} /
               Udp{.sport = 7, .dport = 80} / Payload("headers"))
                  .build());
    sent += 3;
    for (const Packet& packet :
         {link / network(false) / datagram, link / network(true) / datagram,
          link / network(true) / HopByHop{} / DestinationOptions{} / datagram}) {
        auto parts = fragments(packet, 1024);
        for (const Bytes& part : parts) wire.send(part);
        std::reverse(parts.begin(), parts.end()); // the one with the ports comes last
        for (const Bytes& part : parts) wire.send(part);
        sent += 2;
        EXPECT_EQ(seen_by(udp, sent), sent); // before the next, which has the same id
    }
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

// A peer beyond a tun device, played by the test.
class TunPeer {
  public:
    TunPeer(const Netns& netns, bool ipv6) : tun_(netns, ipv6 ? "tun6" : "tun4"), ipv6_(ipv6) {
        tun_.interface().add_address(ipv6 ? "fd07::1/64" : "10.7.0.1/24");
    }
    // What comes back for our port; errors quote it.
    std::optional<View> exchange(const Packet& transport, Bytes* frame = nullptr) const {
        const Packet out = ipv6_ ? Packet(Ipv6{.src = "fd07::9", .dst = "fd07::1"})
                                 : Packet(Ipv4{.src = "10.7.0.9", .dst = "10.7.0.1"});
        tun_.send((out / transport).build());
        while (const auto reply = tun_.receive(2000)) { // the kernel's own IPv6 chatter comes too
            auto view = parse(*reply, Start::kNetwork);
            if (frame != nullptr) *frame = *reply;
            if (view.quoted || (view.packet && view.packet->dport == 4000)) return view;
        }
        return {};
    }
    [[nodiscard]] const std::string& name() const { return tun_.interface().name(); }

  private:
    Tun tun_;
    bool ipv6_;
};

TEST_F(NetTest, ADeviceWithoutEthernetHeaders) {
    for (const char* hook : {"tcx", "clsact"}) {
        if (hook == std::string_view("tcx") && !kernel_at_least(6, 6)) continue;
        for (const bool ipv6 : {false, true}) {
            SCOPED_TRACE(std::string(hook) + (ipv6 ? " v6" : " v4"));
            const Netns netns;
            const TunPeer peer(netns, ipv6);
            const Service web(netns, 3000);
            ASSERT_TRUE(
                works(netns, "attach " + peer.name() + " 80:3000/tcp --exclusive --hook " + hook));
            ASSERT_TRUE(works(netns, "attach " + peer.name() + " 53:3000/udp 54:5400/udp"));

            auto reply = peer.exchange(Udp{.sport = 4000, .dport = 53} / Payload("ping"));
            ASSERT_TRUE(reply);
            EXPECT_EQ(reply->packet->sport, 53);
            EXPECT_TRUE(reply->checksums_good());

            reply = peer.exchange(Udp{.sport = 4000, .dport = 54} / Payload("ping"));
            ASSERT_TRUE(reply && reply->quoted);
            EXPECT_EQ(reply->quoted->dport, 54);
            EXPECT_TRUE(reply->checksums_good());

            // Straight to the target: refused by us, with a correct reset.
            Bytes frame;
            reply = peer.exchange(
                Tcp{.sport = 4000, .dport = 3000, .seq = 5, .flags = kSyn, .options = Bytes(8, 1)} /
                    Payload("data"),
                &frame);
            ASSERT_TRUE(reply);
            EXPECT_EQ(reply->packet->sport, 3000);
            EXPECT_TRUE(reply->checksums_good());
            EXPECT_EQ(frame.at(reply->packet->l4_offset + 13), kRst | kAck);
            EXPECT_EQ(frame.at(reply->packet->l4_offset + 11), 5 + 1 + 4); // acknowledges it all

            reply = peer.exchange(Tcp{.sport = 4000, .dport = 80, .seq = 5, .flags = kSyn}, &frame);
            ASSERT_TRUE(reply);
            EXPECT_EQ(reply->packet->sport, 80);
            EXPECT_TRUE(reply->checksums_good());
            EXPECT_EQ(frame.at(reply->packet->l4_offset + 13), kSyn | kAck);
            ASSERT_TRUE(works(netns, "detach --all"));
            EXPECT_TRUE(expect_kernel_empty({netns}));
        }
    }
}

} // namespace
} // namespace bpfport::test
