// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// B10: --exclusive holds for packets of every shape, also for those whose ports the hooks of an
// interface can't read, or that they leave alone.
#include "bpfport/meta.h"
#include "kernel/link.hpp"
#include "net/trust/raw_client.hpp"

namespace bpfport::test {
namespace {

class TrustExclusive : public EveryMode {
  protected:
    void SetUp() override {
        EveryMode::SetUp();
        if (!IsSkipped()) REQUIRE_KERNEL(5, 17); // before, only for rules of `any`
    }
};

INSTANTIATE_TEST_SUITE_P(, TrustExclusive,
                         testing::Values(Mode{true, "tcx"}, Mode{false, "clsact"},
                                         Mode{false, "auto", "xdp"}, Mode{false, "auto", "auto"}),
                         mode_name);

struct Shape {
    const char* name;
    bool ipv6;
    std::uint16_t port; // of the client, its own
    std::vector<Bytes> frames;
};

// SYNs and datagrams of a client to the target port.
std::vector<Shape> shapes(const ClientServer& net, std::uint16_t port) {
    const Packet link = Ethernet{.dst = net.link.b.mac(), .src = net.link.a.mac()};
    const Packet all =
        Ethernet{.dst = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, .src = net.link.a.mac()};
    std::vector<Shape> made;
    for (const bool ipv6 : {false, true}) {
        const Packet ip =
            network(ipv6 ? "fd01::99" : "10.1.0.99", ClientServer::server_address(ipv6));
        const auto syn = [&] {
            return Packet(Tcp{.sport = port, .dport = 3000, .seq = 5000, .flags = kSyn}) /
                   Payload(40);
        };
        const auto datagram = [&] {
            return Packet(Udp{.sport = port, .dport = 3000}) / Payload(100);
        };
        // IPv6 wants the whole TCP header in the first fragment (RFC 7112).
        made.push_back(
            {"SYN in fragments", ipv6, port, fragments(link / ip / syn(), ipv6 ? 24 : 8)});
        port++;
        made.push_back(
            {"datagram in a broadcast frame", ipv6, port, {(all / ip / datagram()).build()}});
        port++;
        if (!ipv6) continue;
        Packet chain = link / ip;
        for (int i = 0; i < 7; ++i) chain = chain / DestinationOptions{};
        made.push_back({"SYN behind seven headers", true, port, {(chain / syn()).build()}});
        port++;
        made.push_back(
            {"datagram behind seven headers", true, port, {(chain / datagram()).build()}});
    }
    return made;
}

TEST_P(TrustExclusive, B10_NoShapeOfPacketGoesStraightToTheTarget) {
    const ClientServer net(GetParam().tx_checksum);
    const Service web(net.server, 3000);
    const auto frames = [&](std::uint16_t port, auto judge) {
        for (const Shape& shape : shapes(net, port)) {
            SCOPED_TRACE(fmt::format("{} {}", shape.ipv6 ? "v6" : "v4", shape.name));
            Capture wire(net.link.a);
            const RawClient client(net, wire, shape.ipv6, shape.port);
            for (const Bytes& frame : shape.frames) wire.send(frame);
            judge(client);
        }
    };
    const auto answered = [](const RawClient& client) {
        return client.hear([](const auto& one) { return one.from == 3000; }, 300ms);
    };
    ASSERT_TRUE(
        works(net.server, "attach eth0 80:3000/tcp+udp --exclusive " + GetParam().options()));
    const auto before = outcome(net.server, "exclusive");
    frames(9000, [&](const RawClient& client) {
        const auto answer = answered(client);
        EXPECT_TRUE(!answer || answer->flags == (kRst | kAck));
    });
    EXPECT_EQ(web.served(), 0U);
    EXPECT_GE(outcome(net.server, "exclusive"), before + 6);
    for (const Flavour& flavour : kFlavours) {
        const Address to = ClientServer::server_address(flavour.ipv6);
        EXPECT_EQ(ask(net.client, {to, 80}, flavour.transport), "hello") << flavour.text();
        EXPECT_EQ(ask(net.server, {to, 80}, flavour.transport), "hello") << flavour.text();
    }
    // Without the option the same frames reach the program: the test is of what it says.
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/tcp+udp " + GetParam().options()));
    frames(9100, [&](const RawClient& client) { EXPECT_TRUE(answered(client)); });
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// The program is loaded when it is needed and when another version made it, not by every command.
TEST_F(NetTest, ExclusiveIsLoadedOnce) {
    const ClientServer net;
    const auto program = [&] {
        return linked_program(instance_directory(net.server) / "exclusive_link");
    };
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 --exclusive"));
    const auto first = program();
    EXPECT_NE(first, 0U);
    ASSERT_TRUE(works(net.server, "attach eth0 81:3001"));
    EXPECT_EQ(program(), first);
    age_build<bp_netns_meta>(instance_directory(net.server));
    ASSERT_TRUE(works(net.server, "attach eth0 82:3002"));
    EXPECT_NE(program(), first);
    EXPECT_NE(program(), 0U);
    const auto notes = [&] {
        return status(net.server).at("rules").at(0).at("notes").get<std::string>();
    };
    EXPECT_EQ(notes(), "exclusive");
    std::filesystem::remove(instance_directory(net.server) / "exclusive_link");
    EXPECT_EQ(notes(), "EXCLUSIVE-GONE");
    EXPECT_THAT(tool(net.server, "doctor").out,
                HasSubstr("--exclusive, but its program does not run"));
    ASSERT_TRUE(works(net.server, "attach eth0 83:3003"));
    EXPECT_NE(program(), 0U);
    EXPECT_EQ(notes(), "exclusive");
    ASSERT_TRUE(works(net.server, "detach eth0 80:3000"));
    EXPECT_EQ(program(), 0U);
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// A rule on one interface says nothing of the others.
TEST_F(NetTest, ExclusiveIsForTheRulesInterface) {
    REQUIRE_KERNEL(5, 17);
    const TwoUplinks net;
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/tcp+udp --exclusive"));
    for (const Flavour& flavour : kFlavours) {
        EXPECT_NE(ask(net.client, {TwoUplinks::first_address(flavour.ipv6), 3000},
                      flavour.transport, kSilence),
                  "hello");
        EXPECT_EQ(
            ask(net.client, {TwoUplinks::second_address(flavour.ipv6), 3000}, flavour.transport),
            "hello")
            << flavour.text();
    }
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

} // namespace
} // namespace bpfport::test
