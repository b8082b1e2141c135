// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Which listener the sklookup engine steers to where several are, and why one can't be steered to.
#include <gmock/gmock.h>

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <optional>

#include "net/sklookup/sklookup.hpp"

namespace bpfport::test {
namespace {

using testing::HasSubstr;
using testing::Not;

// A socket of the namespace, bound to an address and, when named, to a device. `type`: SOCK_STREAM,
// which listens, or SOCK_DGRAM. Several may share an address.
Fd bound(const Netns& netns, int type, const Endpoint& at, const std::string& device = {}) {
    return netns.run([&] {
        Fd socket(::socket(at.address.is_ipv6() ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0));
        const int on = 1;
        ::setsockopt(socket.get(), SOL_SOCKET, type == SOCK_STREAM ? SO_REUSEPORT : SO_REUSEADDR,
                     &on, sizeof on);
        if (!device.empty()) {
            EXPECT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_BINDTODEVICE, device.data(),
                                   static_cast<socklen_t>(device.size())),
                      0);
        }
        const SocketAddress name(at);
        EXPECT_EQ(::bind(socket.get(), name.get(), name.size), 0);
        EXPECT_TRUE(type != SOCK_STREAM || ::listen(socket.get(), 8) == 0);
        const timeval patience{3, 0};
        ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        return socket;
    });
}

// Which of two listeners the next connection comes to.
const Fd* taker_of(const Fd& one, const Fd& other) {
    pollfd both[] = {{one.get(), POLLIN, 0}, {other.get(), POLLIN, 0}};
    if (::poll(both, 2, 3000) != 1) return nullptr;
    const Fd& taker = both[0].revents ? one : other;
    return Fd(::accept4(taker.get(), nullptr, nullptr, SOCK_CLOEXEC)) ? &taker : nullptr;
}

class BoundToTheInterface : public SklookupTest,
                            public testing::WithParamInterface<std::tuple<bool, bool, bool>> {
  protected:
    // Whether a client from outside gets to the one that is bound to its interface.
    bool takes(const Fd& special, const Fd& common, std::uint16_t port) {
        const bool ipv6 = std::get<0>(GetParam());
        auto outside = TcpClient::connect(client(), {ClientServer::server_address(ipv6), port});
        EXPECT_TRUE(outside) << outside.error().message;
        return taker_of(special, common) == &special;
    }
};

// Two such listeners are of one SO_REUSEPORT family, else bind(2) fails; of those the kernel takes on
// the target port what stands first in its list: the newest for IPv4, the oldest for IPv6. A bound one
// that it never takes can't be found at attach.
TEST_P(BoundToTheInterface, IsPreferred) {
    const auto [ipv6, bound_first, attach_first] = GetParam();
    const Endpoint at{ipv6 ? "::" : "0.0.0.0", 3000};
    if (attach_first) attach("sklookup");
    Fd special, common;
    if (bound_first) special = bound(server(), SOCK_STREAM, at, "eth0");
    common = bound(server(), SOCK_STREAM, at);
    if (!bound_first) special = bound(server(), SOCK_STREAM, at, "eth0");
    if (!attach_first) attach("sklookup");
    const bool by_kernel = takes(special, common, 3000);
    EXPECT_EQ(takes(special, common, 80), attach_first || by_kernel);
    auto inside = TcpClient::connect(server(), {ipv6 ? "::1" : "127.0.0.1", 80});
    ASSERT_TRUE(inside) << inside.error().message;
    EXPECT_EQ(taker_of(special, common), &common);
    special = Fd();
    auto outside = TcpClient::connect(client(), {ClientServer::server_address(ipv6), 80});
    ASSERT_TRUE(outside) << outside.error().message;
    EXPECT_EQ(taker_of(special, common), &common);
}

std::string order_name(const testing::TestParamInfo<std::tuple<bool, bool, bool>>& each) {
    const auto [ipv6, bound_first, attach_first] = each.param;
    return std::string(ipv6 ? "V6" : "V4") + (bound_first ? "First" : "Last") +
           (attach_first ? "After" : "Before");
}

INSTANTIATE_TEST_SUITE_P(, BoundToTheInterface,
                         testing::Combine(testing::Bool(), testing::Bool(), testing::Bool()),
                         order_name);

using Sklookup = SklookupTest;

std::string answer_of(UdpClient& from, std::string_view message) {
    auto sent = from.send(message);
    if (!sent) return sent.error().message;
    auto answer = from.receive();
    return answer ? answer->data : answer.error().message;
}

// A datagram socket of another device is no reason not to find the one that serves this.
TEST_F(Sklookup, DatagramsDespiteASocketOfAnotherDevice) {
    for (bool ipv6 : {false, true}) {
        const Endpoint at{ipv6 ? "::" : "0.0.0.0", 5300};
        const Fd elsewhere = bound(server(), SOCK_DGRAM, at, "lo");
        run_bpfport({"attach", "any", "53:5300/udp", "--engine", "sklookup"});
        const UdpServer program(server(), at, {.v6only = ipv6});
        auto socket = UdpClient::connect(client(), {ClientServer::server_address(ipv6), 53});
        ASSERT_TRUE(socket);
        EXPECT_EQ(answer_of(*socket, "hello"), "hello");
        run_bpfport({"detach", "any"});
    }
}

// QUIC and DTLS servers give each client a socket of its own, on the same port, connected to it.
TEST_F(Sklookup, DatagramsToASocketConnectedToItsClient) {
    run_bpfport({"attach", "any", "53:5300/udp", "--engine", "sklookup"});
    for (bool ipv6 : {false, true}) {
        const Endpoint at{ClientServer::server_address(ipv6), 5300};
        const Fd door = bound(server(), SOCK_DGRAM, at);
        auto socket = UdpClient::connect(client(), {at.address, 53});
        ASSERT_TRUE(socket && socket->send("first"));
        char text[16];
        sockaddr_storage peer{};
        socklen_t size = sizeof peer;
        ASSERT_EQ(
            ::recvfrom(door.get(), text, sizeof text, 0, reinterpret_cast<sockaddr*>(&peer), &size),
            5);
        const Fd own = bound(server(), SOCK_DGRAM, at);
        ASSERT_EQ(::connect(own.get(), reinterpret_cast<sockaddr*>(&peer), size), 0);
        ASSERT_EQ(::send(own.get(), "hi", 2, 0), 2);
        auto answer = socket->receive();
        ASSERT_TRUE(answer) << answer.error().message;
        EXPECT_EQ(answer->data, "hi");
        for (int i = 0; i < 3; i++) {
            ASSERT_TRUE(socket->send("later"));
            ASSERT_EQ(::recv(own.get(), text, sizeof text, 0), 5) << "datagram " << i;
            ASSERT_EQ(::send(own.get(), "again", 5, 0), 5);
            EXPECT_TRUE(socket->receive());
        }
    }
}

// The kernel uses such a socket for itself, as WireGuard does.
TEST_F(Sklookup, ASocketOfTheKernelIsNamed) {
    if (run({"ip", "-n", server().name(), "link", "add", "vx0", "type", "vxlan", "id", "7", "dev",
             "eth0", "local", "10.1.0.2", "remote", "10.1.0.1", "dstport", "4789"})
            .status != 0)
        GTEST_SKIP() << "needs vxlan devices";
    server().ip("link set vx0 up");
    auto refused = bpfport(server(), {"attach", "any", "53:4789/udp", "--engine", "sklookup"});
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err, HasSubstr("port 4789: what listens there is the kernel's own"));
    EXPECT_THAT(refused.err, Not(HasSubstr("Multipath")));
    // A rule of the other protocol on the same port is none of its business.
    attach("sklookup", {"any", "80:4789"});
}

class Flooded : public SklookupTest {
  protected:
    void SetUp() override {
        SklookupTest::SetUp();
        if (IsSkipped()) return;
        before_.emplace();
        ::getrlimit(RLIMIT_NOFILE, &*before_);
        rlimit enough{16384, std::max<rlim_t>(before_->rlim_max, 16384)};
        ::setrlimit(RLIMIT_NOFILE, &enough);
    }
    void TearDown() override {
        if (before_) ::setrlimit(RLIMIT_NOFILE, &*before_);
        SklookupTest::TearDown();
    }
    // The n-th of many loopback addresses, any user's to listen on.
    static Endpoint local(int n) {
        return {"127.1." + std::to_string(n / 250) + "." + std::to_string(1 + n % 250), 3000};
    }

    std::optional<rlimit> before_; // empty: SetUp() has skipped the test
};

// C11: what was once listened on takes up no place.
TEST_F(Flooded, ShortListenersLeaveNothing) {
    attach("auto");
    const auto listen_for_a_moment = [&](int n) {
        return static_cast<bool>(bound(server(), SOCK_STREAM, local(n), n % 2 ? "lo" : ""));
    };
    for (int n = 0; n < 4300; n++) ASSERT_TRUE(listen_for_a_moment(n));
    TcpServer program(server(), {"::", 3000}, {.reuse_port = true});
    EXPECT_EQ(rule_status().at("served_by_tc"), false) << rule_status();
    for (bool ipv6 : {false, true}) EXPECT_EQ(try_echo(ipv6), "");
    const TcpServer exact(server(), {"10.1.0.2", 3000}, {.reuse_port = true});
    EXPECT_EQ(try_echo(false), "");
}

// Open ones do; that is said as what it is, tc serves, and it is over when they have closed.
TEST_F(Flooded, AFullTableIsNamedAndHeals) {
    attach("auto");
    std::vector<Fd> many;
    for (int n = 0; n < 4100; n++) many.push_back(bound(server(), SOCK_STREAM, local(n)));
    ASSERT_TRUE(many.back()) << "needs 4,100 descriptors";
    TcpServer program(server(), {"10.1.0.2", 3000});
    EXPECT_EQ(rule_status().at("served_by_tc"), true);
    EXPECT_EQ(rule_status().at("notes"), "by-tc:table-full");
    EXPECT_EQ(try_echo(false), "");
    many.clear();
    attach("auto");
    EXPECT_EQ(rule_status().at("served_by_tc"), false);
    EXPECT_EQ(try_echo(false), "");
}

// Listeners that no rule gives anything.
TEST_F(Flooded, ARulesOwnAddressDecides) {
    const Fd older = bound(server(), SOCK_STREAM, local(0));
    attach("sklookup", {"any", "10.1.0.2:80:3000"});
    const Fd newer = bound(server(), SOCK_STREAM, local(1));
    EXPECT_EQ(status().at("sklookup").at("listeners"), 0);
    const TcpServer program(server(), {"10.1.0.2", 3000});
    EXPECT_EQ(status().at("sklookup").at("listeners"), 1);
    EXPECT_EQ(try_echo(false), "");
}

// Multipath TCP on a loopback address, any user's to choose, concerns clients of such addresses.
TEST_F(Flooded, MptcpOnALoopbackAddressIsItsOwnMatter) {
    if (!open_socket(server(), AF_INET, SOCK_STREAM, {.mptcp = true}))
        GTEST_SKIP() << "the kernel has no Multipath TCP";
    attach("auto");
    const TcpServer program(server(), {"10.1.0.2", 3000});
    const TcpServer stranger(server(), {"127.0.0.9", 3000}, {.mptcp = true});
    auto connection = TcpClient::connect(client(), {"10.1.0.2", 80});
    ASSERT_TRUE(connection && connection->echo("x"));
    EXPECT_EQ(connections_on(80), 1U) << "still steered";
    EXPECT_EQ(try_echo(server(), {"127.0.0.9", 80}), "");
    EXPECT_EQ(stranger.seen().size(), 1U);
}

} // namespace
} // namespace bpfport::test
