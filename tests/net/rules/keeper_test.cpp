// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A program that listens on the listen port of one loopback address, such as a resolver's stub on
// 127.0.0.53, keeps that address; the rule serves every other one.
#include <net/if.h>
#include <sys/socket.h>

#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;

class Keeper : public EveryEngine {};
INSTANTIATE_TEST_SUITE_P(, Keeper, testing::Values("auto", "tc", "xdp", "sklookup"), engine_param);

void bind_to_lo(const Server& server) {
    ASSERT_EQ(::setsockopt(server.socket().get(), SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
}

// Who serves what is redirected. A datagram's answer comes from the address that was asked only where
// the server is bound to it.
struct Target {
    Service everywhere;
    UdpServer at_stub;

    explicit Target(const Netns& netns)
        : everywhere(netns, 5300, kTarget), at_stub(netns, {"127.0.0.53", 5300}, kTarget) {}
    static inline const ServerOptions kTarget{.answer = "target"};
};

// Both protocols on 127.0.0.53 and ::1.
struct Stub {
    TcpServer tcp4, tcp6;
    UdpServer udp4, udp6;

    explicit Stub(const Netns& netns)
        : tcp4(netns, {"127.0.0.53", 53}, kStub), tcp6(netns, {"::1", 53}, kStub),
          udp4(netns, {"127.0.0.53", 53}, kStub), udp6(netns, {"::1", 53}, kStub) {}
    void bind_to_device() const {
        for (const Server* one : std::initializer_list<const Server*>{&tcp4, &tcp6, &udp4, &udp6})
            bind_to_lo(*one);
    }
    static inline const ServerOptions kStub{.answer = "stub"};
};

void expect_at_stub(const ClientServer& net, const std::string& answer) {
    for (const Flavour& flavour : kFlavours) {
        SCOPED_TRACE(flavour.text());
        EXPECT_EQ(ask(net.server, {flavour.ipv6 ? "::1" : "127.0.0.53", 53}, flavour.transport),
                  answer);
    }
}

void expect_target_elsewhere(const ClientServer& net) {
    for (const Flavour& flavour : kFlavours) {
        SCOPED_TRACE(flavour.text());
        for (const Netns* from : {&net.client, &net.server})
            EXPECT_EQ(ask(*from, {kServer(flavour.ipv6), 53}, flavour.transport), "target");
    }
    for (const Transport transport : {Transport::kTcp, Transport::kUdp})
        EXPECT_EQ(ask(net.server, {"127.0.0.1", 53}, transport), "target");
    EXPECT_EQ(ask(net.server, {"127.0.0.54", 53}, Transport::kTcp), "target");
}

void expect_kept(const ClientServer& net) {
    expect_at_stub(net, "stub");
    expect_target_elsewhere(net);
    EXPECT_THAT(status(net.server).at("rules").at(0).at("notes").get<std::string>(),
                HasSubstr("kept:127.0.0.53,::1"));
}

TEST_P(Keeper, AProgramKeepsItsLoopbackAddress) {
    const ClientServer net;
    const Target target(net.server);
    for (const bool to_device : {false, true}) {
        SCOPED_TRACE(to_device ? "bound to lo" : "bound to no device");
        const Stub stub(net.server);
        if (to_device) stub.bind_to_device();
        const auto done = tool(net.server, attach("eth0 53:5300/tcp+udp"));
        ASSERT_EQ(done.status, 0) << done.err;
        EXPECT_THAT(done.out, HasSubstr("listens on 127.0.0.53:53 and keeps that address"));
        EXPECT_THAT(done.out, HasSubstr("listens on [::1]:53 and keeps that address"));
        expect_kept(net);
        EXPECT_THAT(tool(net.server, "doctor").out, HasSubstr("127.0.0.53:53 and keeps"));
        ASSERT_TRUE(works(net.server, "detach eth0"));
    }
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_P(Keeper, OneThatComesLaterKeepsItToo) {
    const ClientServer net;
    const Target target(net.server);
    ASSERT_TRUE(works(net.server, attach("eth0 53:5300/tcp+udp")));
    for (int round = 0; round < 2; ++round) {
        expect_at_stub(net, "target"); // no program keeps it
        const Stub stub(net.server);
        if (round == 1) stub.bind_to_device();
        expect_kept(net);
    }
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// What a client of the target port's own past sends is judged anew when the address is kept now.
TEST_P(Keeper, TheSameClientPortGoesToTheProgramThatCameLater) {
    const ClientServer net;
    const Target target(net.server);
    ASSERT_TRUE(works(net.server, attach("eth0 53:5300/udp")));
    auto client = UdpClient::connect(net.server, {"127.0.0.53", 53});
    ASSERT_TRUE(client);
    auto reply = client->echo("hello!");
    ASSERT_TRUE(reply) << reply.error().message;
    EXPECT_EQ(reply->data, "target");
    const UdpServer stub(net.server, {"127.0.0.53", 53}, {.answer = "theirs"});
    reply = client->echo("hello!");
    ASSERT_TRUE(reply) << reply.error().message;
    EXPECT_EQ(reply->data, "theirs");
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

TEST_P(Keeper, ARuleThatNamesTheAddressIsTheft) {
    const ClientServer net;
    const Target target(net.server);
    const Stub stub(net.server);
    EXPECT_TRUE(refuses(net.server, attach("eth0 127.0.0.53:53:5300/tcp+udp"), 1,
                        {"port 53 is taken", "127.0.0.53:53", "--no-local"}));
    ASSERT_TRUE(works(net.server, attach("eth0 127.0.0.53:53:5300/tcp+udp --force")));
    for (const Transport transport : {Transport::kTcp, Transport::kUdp})
        EXPECT_EQ(ask(net.server, {"127.0.0.53", 53}, transport), "target");
    EXPECT_THAT(tool(net.server, "status").out, HasSubstr("127.0.0.53:53, but new clients go to"));
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

// sk_lookup's map takes no Multipath TCP, so such a program would be robbed: refused.
TEST_F(NetTest, AMultipathProgramOnALoopbackAddressIsNotRobbed) {
    REQUIRE_KERNEL(5, 17);
    const ClientServer net;
    const Target target(net.server);
    if (!open_socket(net.server, AF_INET, SOCK_STREAM, {.mptcp = true}))
        GTEST_SKIP() << "the kernel has no Multipath TCP";
    const TcpServer stub(net.server, {"127.0.0.53", 53}, {.answer = "stub", .mptcp = true});
    const auto steered = tool(net.server, "attach eth0 53:5300 --engine sklookup");
    if (steered.status == 0) {
        // A kernel that doesn't tell (sock_diag): then it must have been kept all the same.
        EXPECT_EQ(ask(net.server, {"127.0.0.53", 53}, Transport::kTcp), "stub");
    } else {
        EXPECT_THAT(steered.err, HasSubstr("127.0.0.53:53"));
    }
    ASSERT_TRUE(works(net.server, "attach eth0 53:5300 --engine tc"));
    EXPECT_EQ(ask(net.server, {"127.0.0.53", 53}, Transport::kTcp), "stub");
    EXPECT_EQ(ask(net.server, {"127.0.0.1", 53}, Transport::kTcp), "target");
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

} // namespace
} // namespace bpfport::test
