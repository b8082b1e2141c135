// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// C11: a Multipath TCP listener wakes tc for the clients of its own address. Any user may bind an
// address that is not the host's, and wakes nobody by that.
#include <gtest/gtest.h>

#include "net/sklookup/sklookup.hpp"

namespace bpfport::test {
namespace {

class TrustMultipath : public SklookupTest, public testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(, TrustMultipath, testing::Bool(),
                         [](const auto& each) { return each.param ? "V6" : "V4"; });

TEST_P(TrustMultipath, C11_AListenerOnAnAddressOfNobodyWakesNobody) {
    if (!open_socket(server(), AF_INET, SOCK_STREAM, {.mptcp = true}))
        GTEST_SKIP() << "the kernel has no Multipath TCP";
    server().sysctl("net/ipv4/ip_nonlocal_bind", "1"); // IP_FREEBIND on each socket does the same
    server().sysctl("net/ipv6/ip_nonlocal_bind", "1");
    const Address foreign = GetParam() ? "2001:db8:77::1" : "203.0.113.77";
    const Address own = ClientServer::server_address(GetParam());
    const auto by = [&] { return status().at("rules").at(0).at("why").get<std::string>(); };

    std::optional<TcpServer> early(std::in_place, server(), Endpoint{foreign, 3000},
                                   ServerOptions{.mptcp = true});
    attach("auto");
    EXPECT_EQ(by().find("stands in"), std::string::npos) << "one that was there before";
    early.reset();
    const TcpServer late(server(), {foreign, 3000}, {.mptcp = true});
    EXPECT_EQ(by().find("stands in"), std::string::npos) << "one that came later";
    const TcpServer served(server(), {own, 3000}, {.mptcp = true});
    EXPECT_NE(by().find("stands in"), std::string::npos) << "its own address wakes tc";
}

} // namespace
} // namespace bpfport::test
