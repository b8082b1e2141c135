// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Service addresses that lie elsewhere than where clients come in, and hosts with many.
#include <chrono>

#include <fmt/format.h>

#include "net/cgroup_fixture.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;

class Addresses : public EveryEngine {};
INSTANTIATE_TEST_SUITE_P(, Addresses, testing::Values("tc", "xdp", "sklookup", "auto"),
                         engine_param);

// Anycast, keepalived, a load balancer's: the address is on lo, clients come by eth0, and those of
// the host itself (health checks) ask it too.
TEST_P(Addresses, OnLoServedToOutsideAndOwnClients) {
    const ClientServer net;
    const Netns neighbour;
    const VethPair other(neighbour, "eth0", net.server, "eth1");
    other.b.add_address("10.3.0.2/24").add_address("fd03::2/64");
    Interface(net.server, "lo").add_address("10.9.0.1/32").add_address("fd09::1/128");
    net.client.ip("route add 10.9.0.1 via 10.1.0.2");
    net.client.ip("-6 route add fd09::1 via fd01::2");
    const Service service(net.server, 3000);
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000/tcp+udp")));
    for (const Flavour& flavour : kFlavours) {
        SCOPED_TRACE(flavour.text());
        const Endpoint at{flavour.ipv6 ? "fd09::1" : "10.9.0.1", 80};
        EXPECT_EQ(ask(net.client, at, flavour.transport), "hello");
        EXPECT_EQ(ask(net.server, at, flavour.transport), "hello");
        EXPECT_EQ(ask(net.server, {kServer(flavour.ipv6), 80}, flavour.transport), "hello");
        // Another interface's clients come by that one, which has no rule.
        const Endpoint elsewhere{flavour.ipv6 ? "fd03::2" : "10.3.0.2", 80};
        EXPECT_EQ(ask(net.server, elsewhere, flavour.transport), "refused");
    }
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// Mail senders and proxies have thousands.
TEST_P(Addresses, FiveThousand) {
    const ClientServer net;
    std::string commands;
    const auto add = [&](int first, int last) {
        commands.clear();
        for (int i = first; i < last; ++i)
            commands += fmt::format("address add 10.20.{}.{}/32 dev lo\n", i / 250, i % 250 + 1);
        const auto done = run({"ip", "-n", net.server.name(), "-batch", "-"}, {.input = commands});
        ASSERT_EQ(done.status, 0) << done.err;
    };
    const Service service(net.server, 3000);
    add(0, 5000);
    ASSERT_TRUE(works(net.server, attach("eth0 80:3000/tcp+udp")));
    EXPECT_EQ(ask(net.server, {"10.20.19.250", 80}, Transport::kTcp), "hello");
    add(5000, 6000); // those that come later are served at once
    EXPECT_EQ(ask(net.server, {"10.20.23.250", 80}, Transport::kTcp), "hello");
    ASSERT_TRUE(works(net.server, attach("eth0 81:3000/tcp+udp")));
    EXPECT_EQ(ask(net.server, {"10.20.23.250", 81}, Transport::kTcp), "hello");
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// A prefix that is local as a whole (AnyIP): the host has none of its addresses, and all of them. By
// a cgroup's rule, whose clients are told apart by what is local.
class AnyIp : public CgroupTest {};

TEST_F(AnyIp, ALocalClientOfACgroupRuleIsServed) {
    REQUIRE_RULES();
    netns->ip("route add local 10.77.0.0/24 dev lo");
    netns->ip("-6 route add local fd77::/64 dev lo");
    must({"attach", "cgroup:" + cgroup->name(), "80:3000/tcp+udp"});
    std::unique_ptr<Service> service;
    {
        const InCgroup inside(*cgroup);
        service = std::make_unique<Service>(*netns, std::uint16_t{80});
    }
    for (const Flavour& flavour : kFlavours) {
        // The kernel answers such a datagram from another address, with a rule or without.
        if (flavour.ipv6 && flavour.transport == Transport::kUdp) continue;
        const Endpoint at{flavour.ipv6 ? "fd77::5" : "10.77.0.5", 80};
        EXPECT_EQ(ask(*netns, at, flavour.transport), "hello") << flavour.text();
        const InCgroup inside(*cgroup);
        EXPECT_EQ(ask(*netns, at, flavour.transport), "hello") << flavour.text();
    }
    service.reset();
    must({"detach", "cgroup:" + cgroup->name()});
}

} // namespace
} // namespace bpfport::test
