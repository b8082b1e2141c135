// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Strangers and handshakes: what the kernel does not remember (B7, SYN cookies), and what it remembers
// of nobody (B9).
#include <thread>

#include "net/trust/raw_client.hpp"

namespace bpfport::test {
namespace {

constexpr std::uint32_t kIsn = 5000, kStrangers = 900000;

class TrustHandshake : public EveryMode {
  protected:
    // Asks by the handshake's rest: an acknowledgement, then data. The port that the answer is from.
    static std::uint16_t finish(const RawClient& client, std::uint16_t port, std::uint32_t theirs) {
        const Tcp ours{.dport = port, .seq = kIsn + 1, .ack = theirs + 1, .flags = kAck};
        client.send(ours);
        client.send(ours, "hello");
        const auto data = client.hear([](const auto& one) { return one.bytes == 5; });
        return data ? data->from : 0;
    }
};

INSTANTIATE_TEST_SUITE_P(, TrustHandshake,
                         testing::Values(Mode{true, "tcx"}, Mode{false, "clsact"},
                                         Mode{false, "auto", "xdp"}, Mode{false, "auto", "auto"}),
                         mode_name);

TEST_P(TrustHandshake, B7_CookiesOfStrangersFlipNobody) {
    const ClientServer net(GetParam().tx_checksum);
    net.server.sysctl("net/ipv4/tcp_syncookies", "2");
    const TcpServer web(net.server, {"::", 3000});
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 " + GetParam().options()));
    Capture wire(net.link.a);
    std::uint16_t port = 8000;
    for (const bool ipv6 : {false, true})
        for (const std::uint16_t own : {80, 3000}) {
            SCOPED_TRACE(fmt::format("{} {}", ipv6 ? "v6" : "v4", own));
            const std::uint16_t other = own == 80 ? 3000 : 80;
            const RawClient client(net, wire, ipv6, ++port);
            client.send({.dport = other, .seq = kStrangers - 1, .flags = kSyn});
            client.send({.dport = own, .seq = kIsn, .flags = kSyn});
            const auto cookie = client.answer(kIsn);
            ASSERT_TRUE(cookie);
            EXPECT_EQ(cookie->from, own);
            client.send({.dport = other, .seq = kStrangers, .flags = kSyn});
            EXPECT_EQ(client.answer(kStrangers)->from, other);
            EXPECT_EQ(finish(client, own, cookie->seq), own);
        }
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

TEST_P(TrustHandshake, B9_AHandshakeOfNobodyRefusesNobody) {
    if (GetParam().steers()) GTEST_SKIP() << "nothing coincides where no port is rewritten";
    const ClientServer net(GetParam().tx_checksum);
    net.server.sysctl("net/ipv4/tcp_synack_retries",
                      "1"); // a handshake of nobody lasts three seconds
    const TcpServer web(net.server, {"::", 3000});
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 81:3000 " + GetParam().options()));
    Capture wire(net.link.a);
    struct Case {
        bool ipv6;
        std::uint16_t strangers, own;
    };
    std::vector<std::pair<Case, RawClient>> clients;
    for (const bool ipv6 : {false, true})
        for (const auto& [strangers, own] : {std::pair{3000, 80}, {80, 3000}, {81, 80}})
            clients.emplace_back(
                Case{ipv6, static_cast<std::uint16_t>(strangers), static_cast<std::uint16_t>(own)},
                RawClient(net, wire, ipv6, static_cast<std::uint16_t>(8100 + clients.size())));
    const auto all = [&](auto what) {
        for (const auto& [one, client] : clients) {
            SCOPED_TRACE(
                fmt::format("{} {} after {}", one.ipv6 ? "v6" : "v4", one.own, one.strangers));
            what(one, client);
        }
    };
    all([](const Case& one, const RawClient& client) {
        client.send({.dport = one.strangers, .seq = kStrangers, .flags = kSyn});
        EXPECT_TRUE(client.answer(kStrangers));
        client.send({.dport = one.own, .seq = kIsn, .flags = kSyn});
        EXPECT_FALSE(client.answer(kIsn, 50ms)) << "the client is not told that it is refused";
    });
    // The SYN comes again, as every client's does after one second and after three.
    const auto again = [](const Case& one, const RawClient& client) {
        client.send({.dport = one.own, .seq = kIsn, .flags = kSyn, .options = Bytes(8, 1)});
    };
    std::this_thread::sleep_for(1300ms);
    all(again);
    // Without kernel BTF the handshake has to expire.
    std::this_thread::sleep_for(kernel_at_least(6, 2) ? 100ms : 4000ms);
    all([&](const Case& one, const RawClient& client) {
        again(one, client);
        const auto answer = client.answer(kIsn);
        ASSERT_TRUE(answer);
        EXPECT_EQ(answer->flags, kSyn | kAck);
        EXPECT_EQ(finish(client, one.own, answer->seq), one.own);
    });
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

} // namespace
} // namespace bpfport::test
