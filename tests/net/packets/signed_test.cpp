// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// TCP MD5 signatures, which BGP uses and which cover the ports.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

bool add_key(const Fd& socket, const Address& peer) {
    tcp_md5sig key{};
    const SocketAddress name({peer, 0});
    std::memcpy(&key.tcpm_addr, &name.storage, sizeof key.tcpm_addr);
    key.tcpm_keylen = 6;
    std::memcpy(key.tcpm_key, "secret", 6);
    return ::setsockopt(socket.get(), IPPROTO_TCP, TCP_MD5SIG, &key, sizeof key) == 0;
}

class Signed : public NetTest, public testing::WithParamInterface<bool> {
  protected:
    // Whether a client with the key gets through to the listener. A lost SYN is repeated after a second.
    bool connects(std::uint16_t port, std::chrono::milliseconds patience = 5s) {
        auto socket = open_socket(net_.client, ipv6() ? AF_INET6 : AF_INET, SOCK_STREAM,
                                  {.timeout = patience});
        EXPECT_TRUE(socket && add_key(*socket, ClientServer::server_address(ipv6())));
        const SocketAddress to({ClientServer::server_address(ipv6()), port});
        return ::connect(socket->get(), to.get(), to.size) == 0;
    }
    static bool ipv6() { return GetParam(); }

    ClientServer net_;
};
INSTANTIATE_TEST_SUITE_P(, Signed, testing::Bool(),
                         [](const auto& each) { return each.param ? "V6" : "V4"; });

TEST_P(Signed, AutoServesThemAndTcIsWarnedOf) {
    REQUIRE_ENGINE("sklookup");
    auto listener = open_socket(net_.server, ipv6() ? AF_INET6 : AF_INET, SOCK_STREAM,
                                {.source = Endpoint{ipv6() ? "::" : "0.0.0.0", 1790}});
    ASSERT_TRUE(listener);
    if (!add_key(*listener, ClientServer::client_address(ipv6())))
        GTEST_SKIP() << "the kernel has no TCP MD5";
    ASSERT_EQ(::listen(listener->get(), 8), 0);
    ASSERT_TRUE(connects(1790)) << "the test itself is wrong";

    auto done = tool(net_.server, "attach eth0 179:1790 --engine auto");
    EXPECT_EQ(done.status, 0);
    EXPECT_THAT(done.err, testing::Not(HasSubstr("MD5")));
    EXPECT_TRUE(connects(179));

    done = tool(net_.server, "attach eth0 179:1790 --engine tc");
    EXPECT_EQ(done.status, 0);
    EXPECT_THAT(done.err, HasSubstr("has keys for TCP MD5 signatures"));
    EXPECT_THAT(done.err, HasSubstr("hint: --engine sklookup"));
    EXPECT_FALSE(connects(179, 1s));
    EXPECT_THAT(tool(net_.server, "doctor").out, HasSubstr("TCP MD5"));
    ASSERT_TRUE(works(net_.server, "detach eth0"));
}

} // namespace
} // namespace bpfport::test
