// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The xdp engine on real traffic: known flows are redirected in the driver (a capture on the server's
// device is between XDP and tc), all else is as under tc, and engines take over from each other.
#include <netinet/in.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/capture.hpp"
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;
constexpr auto kClient = ClientServer::client_address;
constexpr auto kNative = "--engine xdp";
constexpr auto kGeneric = "--engine xdp --xdp-mode generic";

// Later kernels' generic XDP breaks tc (docs/xdp.md); there it is refused.
std::vector<const char*> engines() {
    return kernel_at_least(6, 9) ? std::vector{kNative} : std::vector{kNative, kGeneric};
}

class Xdp : public NetTest {
  protected:
    void SetUp() override {
        NetTest::SetUp();
        if (!IsSkipped()) REQUIRE_KERNEL(5, 10);
    }
};

// How many frames with this destination port came in.
std::size_t arrived(const std::vector<Captured>& frames, std::uint16_t port,
                    std::uint8_t protocol = IPPROTO_UDP) {
    std::size_t count = 0;
    for (const Captured& frame : frames)
        if (const auto& packet = frame.view.packet; packet && !frame.outgoing)
            count += packet->protocol == protocol && packet->dport == port ? 1 : 0;
    return count;
}

std::vector<Captured> all_of(Capture& capture) {
    return capture.all([](const Captured& frame) { return frame.view.packet.has_value(); });
}

Result<UdpClient> talk(const ClientServer& net, bool ipv6, int datagrams, std::size_t bytes = 20) {
    auto client = UdpClient::connect(net.client, {kServer(ipv6), 80});
    for (int i = 0; client && i < datagrams; i++) {
        const std::string message(bytes, static_cast<char>('a' + i % 26));
        const auto reply = client->echo(message);
        if (!reply) return std::unexpected(reply.error());
        if (reply->data != message) return failure("another answer");
    }
    return client;
}

std::string xdp_of(const Netns& netns, const std::string& interface) {
    const auto all = status(netns);
    for (const auto& hook : all.at("hooks"))
        if (hook.at("interface") == interface) return hook.at("xdp");
    return "no hook";
}

TEST_F(Xdp, KnownFlowsAreRedirectedInTheDriver) {
    for (const char* engine : engines()) {
        for (const bool tx_checksum : {false, true}) {
            SCOPED_TRACE(fmt::format("{}, checksums {}", engine, tx_checksum ? "partial" : "done"));
            const ClientServer net(tx_checksum);
            const Service service(net.server, 3000);
            ASSERT_TRUE(works(net.server, fmt::format("attach eth0 80:3000/tcp+udp {}", engine)));
            for (const bool ipv6 : {false, true}) {
                Capture behind(net.link.b);
                ASSERT_TRUE(talk(net, ipv6, 10));
                auto frames = all_of(behind);
                // The first makes the flow. A partial checksum XDP must not touch.
                EXPECT_EQ(arrived(frames, 80), tx_checksum ? 10U : 1U);
                EXPECT_EQ(arrived(frames, 3000), tx_checksum ? 0U : 9U);
                for (const Captured& frame : frames) {
                    if (!frame.checksum_ready) continue;
                    EXPECT_TRUE(frame.view.checksums_good()) << describe(frame.frame);
                }

                Capture tcp_behind(net.link.b);
                auto client = connected(net.client, {kServer(ipv6), 80});
                for (int round = 0; round < 10; round++) EXPECT_TRUE(alive(client, 100));
                frames = all_of(tcp_behind);
                EXPECT_GE(arrived(frames, 80, IPPROTO_TCP), 1U) << "the SYN is tc's";
                EXPECT_EQ(arrived(frames, 3000, IPPROTO_TCP) > 5, !tx_checksum);
            }
            ASSERT_TRUE(works(net.server, "detach eth0"));
            EXPECT_TRUE(expect_kernel_empty({net.server}));
        }
    }
}

TEST_F(Xdp, ZeroUdpChecksumStaysZero) {
    const ClientServer net(false);
    const Service service(net.server, 3000);
    ASSERT_TRUE(works(net.server, fmt::format("attach eth0 80:3000/udp {}", kNative)));
    Capture behind(net.link.b);
    auto client = UdpClient::connect(net.client, {kServer(false), 80}, {.udp_checksum = false});
    for (int i = 0; i < 3; i++) EXPECT_EQ(client->echo("hello").value().data, "hello");
    std::size_t none = 0;
    for (const Captured& frame : all_of(behind))
        if (!frame.outgoing && frame.view.packet->dport == 3000)
            none += frame.view.packet->l4_checksum == Verdict::kNone ? 1 : 0;
    EXPECT_EQ(none, 2U);
}

TEST_F(Xdp, CountersAreWhatWasSent) {
    constexpr int kDatagrams = 40;
    for (const char* engine : engines()) {
        for (const bool tx_checksum : {false, true}) {
            SCOPED_TRACE(fmt::format("{} {}", engine, tx_checksum));
            const ClientServer net(tx_checksum);
            const Service service(net.server, 3000);
            ASSERT_TRUE(works(net.server, fmt::format("attach eth0 80:3000/tcp+udp {}", engine)));
            ASSERT_TRUE(talk(net, true, kDatagrams));
            Capture wire(net.link.a);
            {
                auto client = connected(net.client, {kServer(true), 80});
                for (int round = 0; round < 20; round++) EXPECT_TRUE(alive(client, 20000));
            }
            std::size_t bytes = 0;
            for (const Captured& frame : all_of(wire))
                if (frame.outgoing && frame.view.packet->dport == 80) bytes += frame.frame.size();
            const auto rules = status(net.server).at("rules");
            const auto &tcp = rules.at(0), &udp = rules.at(1);
            EXPECT_EQ(udp.at("packets_in"), kDatagrams);
            EXPECT_EQ(udp.at("bytes_in"), kDatagrams * (14 + 40 + 8 + 20));
            EXPECT_EQ(udp.at("packets_out"), kDatagrams);
            EXPECT_EQ(udp.at("connections"), 1);
            // Generic XDP and tc count what GRO has merged as the segments it was.
            const auto counted = tcp.at("bytes_in").get<std::size_t>();
            EXPECT_GE(counted, 20U * 20000);
            EXPECT_GE(counted, bytes);
            EXPECT_LT(counted, bytes + bytes / 5);
        }
    }
}

TEST_F(Xdp, TheOlderPortWins) {
    for (const bool tx_checksum : {false, true}) {
        SCOPED_TRACE(tx_checksum);
        const ClientServer net(tx_checksum);
        const Service service(net.server, 3000);
        ASSERT_TRUE(works(net.server, fmt::format("attach eth0 80:3000/udp {}", kNative)));
        for (const std::uint16_t older : {80, 3000}) {
            auto client = UdpClient::open(net.client, true, {.timeout = 200ms});
            for (const std::uint16_t port : {older, older, std::uint16_t{80}, std::uint16_t{3000},
                                             std::uint16_t{3000}, older}) {
                ASSERT_TRUE(client->send_to({kServer(true), port}, "hello"));
                const auto reply = client->receive();
                EXPECT_EQ(reply ? reply->from.port : 0, port == older ? older : 0);
            }
        }
    }
}

TEST_F(Xdp, ExclusiveTargetsStayExclusive) {
    const ClientServer net(false);
    const Service service(net.server, 3000);
    ASSERT_TRUE(
        works(net.server, fmt::format("attach eth0 80:3000/tcp+udp --exclusive {}", kNative)));
    auto client = UdpClient::open(net.client, false, {.timeout = 400ms});
    const auto answer = [&](std::uint16_t port) -> std::string {
        (void)client->send_to({kServer(false), port}, "hello");
        const auto reply = client->receive();
        return reply ? fmt::format("from {}", reply->from.port) : "silent";
    };
    EXPECT_EQ(answer(3000), "silent");
    EXPECT_EQ(answer(80), "from 80");
    EXPECT_EQ(answer(3000), "silent") << "although the flow is known by now";
    EXPECT_EQ(answer(80), "from 80");
    EXPECT_EQ(answer(80), "from 80");
    EXPECT_EQ(ask(net.client, {kServer(false), 3000}, Transport::kTcp), "refused");
    EXPECT_GE(outcome(net.server, "exclusive"), 3U);
}

TEST_F(Xdp, FramesForAnotherHostAreLeftAlone) {
    const ClientServer net(false);
    const Service service(net.server, 3000);
    ASSERT_TRUE(works(net.server, fmt::format("attach eth0 80:3000/udp {}", kNative)));
    ASSERT_TRUE(UdpClient::connect(net.client, {kServer(false), 80},
                                   {.source = Endpoint{kClient(false), 4001}})
                    ->echo("hello"));
    const auto frame = [&](const Mac& to) {
        return (Ethernet{.dst = to, .src = net.link.a.mac()} /
                Ipv4{.src = kClient(false), .dst = kServer(false)} / Udp{.sport = 4001} /
                Payload("hello"))
            .build();
    };
    const Capture sender(net.link.a);
    Capture behind(net.link.b);
    Mac other = net.link.b.mac();
    other[5] ^= 1;
    sender.send(frame(other));
    sender.send(frame(net.link.b.mac()));
    const auto frames = all_of(behind);
    EXPECT_EQ(arrived(frames, 80), 1U);
    EXPECT_EQ(arrived(frames, 3000), 1U);
}

TEST_F(Xdp, JumboFrames) {
    REQUIRE_KERNEL(5, 18);
    const ClientServer net(false);
    net.link.mtu(9000);
    const Service service(net.server, 3000);
    ASSERT_TRUE(works(net.server, fmt::format("attach eth0 80:3000/tcp+udp {}", kNative)));
    for (const bool ipv6 : {false, true}) {
        Capture behind(net.link.b);
        ASSERT_TRUE(talk(net, ipv6, 5, 8000));
        EXPECT_EQ(arrived(all_of(behind), 3000), 4U);
        auto client = connected(net.client, {kServer(ipv6), 80});
        for (int round = 0; round < 20; round++) ASSERT_TRUE(alive(client, 50000));
    }
    const auto udp = status(net.server).at("rules").at(1);
    EXPECT_EQ(udp.at("bytes_in"), 5 * (14 + 20 + 8 + 8000) + 5 * (14 + 40 + 8 + 8000));
}

TEST_F(Xdp, BeforeFragmentsTheMtuIsTheDriversReason) {
    if (kernel_at_least(5, 18)) GTEST_SKIP() << "this kernel's XDP takes jumbo frames";
    const ClientServer net;
    net.link.mtu(9000);
    EXPECT_TRUE(refuses(net.server, fmt::format("attach eth0 80:3000 {}", kNative), 1,
                        {"eth0 refuses native XDP", "MTU", "ip link set dev eth0 mtu 1500"}));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_F(Xdp, VlansAndTheirParents) {
    REQUIRE_LINK_TYPE("vlan");
    const ClientServer net(false);
    const Service service(net.server, 3000);
    const Interface ours = add_vlan(net.link.b, 5);
    add_vlan(net.link.a, 5).add_address("10.5.0.1/24");
    ours.add_address("10.5.0.2/24");
    const Endpoint tagged{"10.5.0.2", 80};
    ASSERT_TRUE(works(net.server, fmt::format("attach eth0 80:3000/tcp+udp {}", kNative)));
    EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "hello");
    EXPECT_EQ(ask(net.client, tagged, Transport::kTcp), "refused");
    ASSERT_TRUE(works(net.server, fmt::format("attach eth0 80:3000/tcp+udp --vlan {}", kNative)));
    for (const Transport transport : {Transport::kTcp, Transport::kUdp})
        EXPECT_EQ(ask(net.client, tagged, transport), "hello");
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(refuses(net.server, fmt::format("attach {} 80:3000 {}", ours.name(), kNative), 1,
                        {"refuses native XDP", "--xdp-mode generic"}));
    const auto generic = fmt::format("attach {} 80:3000 {}", ours.name(), kGeneric);
    if (kernel_at_least(6, 9)) {
        EXPECT_TRUE(refuses(net.server, generic, 1, {"hides the Ethernet header", "--engine tc"}));
    } else {
        ASSERT_TRUE(works(net.server, generic));
        EXPECT_EQ(ask(net.client, tagged, Transport::kTcp), "hello");
        ASSERT_TRUE(works(net.server, "detach " + ours.name()));
    }
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_F(Xdp, BridgesAndTheirPorts) {
    REQUIRE_LINK_TYPE("bridge");
    const ClientServer net(false);
    const Service service(net.server, 3000);
    net.server.ip("addr flush dev eth0");
    const Interface bridge = add_bridge(net.server, "br0", {net.link.b});
    net.server.ip(fmt::format("link set br0 address {:02x}", fmt::join(net.link.b.mac(), ":")));
    bridge.add_address("10.1.0.2/24");
    // Any: the port takes native XDP, the bridge has no driver; tc serves it, and says so.
    const auto attached = tool(net.server, fmt::format("attach any 80:3000/tcp+udp {}", kNative));
    EXPECT_EQ(attached.status, 0) << attached.err;
    EXPECT_THAT(attached.err, HasSubstr("br0 refuses native XDP"));
    EXPECT_THAT(attached.err, HasSubstr("tc alone serves it"));
    EXPECT_EQ(xdp_of(net.server, "eth0"), "native");
    EXPECT_EQ(xdp_of(net.server, "br0"), "");
    ASSERT_TRUE(talk(net, false, 10));
    EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "hello");
    EXPECT_TRUE(refuses(net.server, fmt::format("attach br0 81:3000 {}", kNative), 1,
                        {"br0 refuses native XDP"}));
    ASSERT_TRUE(works(net.server, "detach any"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_F(Xdp, ANewLinkLayerAddressIsLearnedByTheNextAttach) {
    const ClientServer net(false);
    const Service service(net.server, 3000);
    const auto command = fmt::format("attach eth0 80:3000/udp {}", kNative);
    ASSERT_TRUE(works(net.server, command));
    net.server.ip("link set eth0 address 02:00:00:00:00:77");
    net.client.ip("neigh flush dev eth0");
    const auto in_driver = [&] {
        Capture behind(net.link.b);
        EXPECT_TRUE(talk(net, false, 5));
        return arrived(all_of(behind), 3000);
    };
    EXPECT_EQ(in_driver(), 0U) << "tc serves meanwhile";
    ASSERT_TRUE(works(net.server, command));
    EXPECT_EQ(in_driver(), 4U);
}

} // namespace
} // namespace bpfport::test
