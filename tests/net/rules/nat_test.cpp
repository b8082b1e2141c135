// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A listen port that NAT redirects already, as a published container's is: refused like a port
// that a program listens on, and noticed when it comes later.
#include <fmt/format.h>

#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;

// How `docker run -p 80:80` writes it with each packet filter; {0}: "" or "6", {1}: the container, {2}:
// the port.
struct PacketFilter {
    const char* name;
    const char* program;
    const char* publish;
};
constexpr PacketFilter kFilters[] = {
    {"nft", "nft",
     "nft 'add table ip{0} nat; add chain ip{0} nat DOCKER; add chain ip{0} nat PREROUTING "
     "{{ type nat hook prerouting priority -100; }}; "
     "add rule ip{0} nat PREROUTING fib daddr type local counter jump DOCKER; "
     "add rule ip{0} nat DOCKER iifname != \"docker0\" tcp dport {2} counter dnat to {1}'"},
    {"ownName", "nft",
     "nft 'add table ip{0} nat; add chain ip{0} nat DOCKER; add chain ip{0} nat incoming "
     "{{ type nat hook prerouting priority -100; }}; "
     "add rule ip{0} nat incoming fib daddr type local counter jump DOCKER; "
     "add rule ip{0} nat DOCKER iifname != \"docker0\" tcp dport {2} counter dnat to {1}'"},
    {"legacy", "iptables-legacy",
     "T=ip{0}tables-legacy; $T -t nat -N DOCKER && "
     "$T -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER && "
     "$T -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport {2} -j DNAT --to-destination {1}"},
    {"variant", "iptables-nft",
     "T=ip{0}tables-nft; $T -t nat -N DOCKER && "
     "$T -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER && "
     "$T -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport {2} -j DNAT --to-destination {1}"},
};
void PrintTo(const PacketFilter& filter, std::ostream* out) { *out << filter.name; }

class Nat : public NetTest, public testing::WithParamInterface<std::tuple<PacketFilter, bool>> {
  protected:
    static bool ipv6() { return std::get<bool>(GetParam()); }
    // What the packet filter said when it refused; empty: published.
    static std::string publish(const Netns& netns, int port = 80) {
        const auto& filter = std::get<PacketFilter>(GetParam());
        const auto done = run({"sh", "-c",
                               fmt::format(fmt::runtime(filter.publish), ipv6() ? "6" : "",
                                           ipv6() ? "[fd17::2]:8080" : "172.17.0.2:8080", port)},
                              {.netns = &netns});
        return done.status == 0 ? "" : "no NAT here: " + done.err;
    }
};
INSTANTIATE_TEST_SUITE_P(, Nat, testing::Combine(testing::ValuesIn(kFilters), testing::Bool()),
                         [](const auto& one) {
                             return std::string(std::get<0>(one.param).name) +
                                    (std::get<1>(one.param) ? "V6" : "V4");
                         });

TEST_P(Nat, APublishedPortIsRefusedAndNamed) {
    REQUIRE_PROGRAM(std::get<PacketFilter>(GetParam()).program);
    const ClientServer net;
    const Service web(net.server, 3000);
    if (const auto why = publish(net.server); !why.empty()) GTEST_SKIP() << why;
    for (const char* words : {"eth0 80:3000", "any 80:3000", "eth0 70-90:3070-3090",
                              "eth0 80:3000 --engine tc", "eth0 80:3000 --engine xdp"})
        EXPECT_TRUE(refuses(net.server, "attach " + std::string(words), 1,
                            {"port 80 is redirected by NAT", "nat DOCKER", "--force"}));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
    // Another protocol, port or family is nobody's.
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/udp 81:3000"));
    ASSERT_TRUE(works(net.server, "detach eth0"));
    const auto other = fmt::format("attach eth0 {}:80:3000", ipv6() ? "10.1.0.2" : "[fd01::2]");
    ASSERT_TRUE(works(net.server, other));
    EXPECT_EQ(ask(net.client, {kServer(!ipv6()), 80}, Transport::kTcp), "hello");
    ASSERT_TRUE(works(net.server, "detach eth0"));
    // tc comes before NAT.
    const auto forced = tool(net.server, "attach eth0 80:3000 --force --engine tc");
    ASSERT_EQ(forced.status, 0) << forced.err;
    EXPECT_THAT(forced.err, HasSubstr("NAT redirects port 80, but this rule comes first"));
    EXPECT_EQ(ask(net.client, {kServer(ipv6()), 80}, Transport::kTcp), "hello");
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

TEST_P(Nat, OneThatComesLaterIsNoticed) {
    REQUIRE_PROGRAM(std::get<PacketFilter>(GetParam()).program);
    REQUIRE_KERNEL(5, 17);
    const ClientServer net;
    const Service web(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 --engine sklookup"));
    EXPECT_THAT(tool(net.server, "status").out, testing::Not(HasSubstr("NAT")));
    if (const auto why = publish(net.server); !why.empty()) GTEST_SKIP() << why;
    const std::string says =
        "clients of port 80 go where NAT sends them, and never come to this rule";
    EXPECT_THAT(tool(net.server, "status").out, HasSubstr("warning: 80:3000: " + says));
    EXPECT_THAT(status(net.server).at("rules").at(0).at("nat").at(0).get<std::string>(),
                HasSubstr(says));
    const auto found = tool(net.server, "doctor");
    EXPECT_EQ(found.status, 1);
    EXPECT_THAT(found.out, HasSubstr(says));
    EXPECT_NE(ask(net.client, {kServer(ipv6()), 80}, Transport::kTcp, kSilence), "hello");
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

// A container's published port as target: NAT takes what tc and xdp have redirected, and the replies
// would leave with the port that NAT gives them. sklookup runs before it, and needs a program (docker-proxy is one).
TEST_P(Nat, APublishedTargetIsRefusedWhereItCannotBeServed) {
    REQUIRE_PROGRAM(std::get<PacketFilter>(GetParam()).program);
    REQUIRE_KERNEL(5, 17);
    const ClientServer net;
    if (const auto why = publish(net.server, 3000); !why.empty()) GTEST_SKIP() << why;
    const std::vector<std::string> says{"target port 3000 is published by NAT", "nat DOCKER",
                                        "--force"};
    for (const char* engine : {"auto", "tc", "xdp", "sklookup"})
        for (const char* rule : {"eth0 80:3000", "any 80:3000", "eth0 70-90:2990-3010"})
            EXPECT_TRUE(
                refuses(net.server, fmt::format("attach {} --engine {}", rule, engine), 1, says));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
    // Another protocol or family is nobody's.
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/udp"));
    ASSERT_TRUE(works(net.server,
                      fmt::format("attach eth0 {}:80:3000", ipv6() ? "10.1.0.2" : "[fd01::2]")));
    ASSERT_TRUE(works(net.server, "detach eth0"));

    const Service proxy(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 --engine auto"));
    EXPECT_EQ(status(net.server).at("rules").at(0).at("engine"), "sklookup");
    EXPECT_EQ(ask(net.client, {kServer(ipv6()), 80}, Transport::kTcp), "hello");
    EXPECT_THAT(tool(net.server, "doctor").out, testing::Not(HasSubstr("published by NAT")));
    EXPECT_TRUE(refuses(net.server, "attach eth0 80:3000 --engine tc", 1, says));
    const auto forced = tool(net.server, "attach eth0 80:3000 --engine tc --force");
    EXPECT_EQ(forced.status, 0) << forced.err;
    EXPECT_THAT(forced.err, HasSubstr("target port 3000 is published by NAT"));
    EXPECT_NE(ask(net.client, {kServer(ipv6()), 80}, Transport::kTcp, kSilence), "hello");
    const auto found = tool(net.server, "doctor");
    EXPECT_EQ(found.status, 1);
    EXPECT_THAT(found.out, HasSubstr("target port 3000 is published by NAT")) << found.err;
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

// What NAT leaves on this host has its replies on record, and is served.
TEST_F(NetTest, ATargetThatNatRedirectsOnThisHostIsServed) {
    REQUIRE_PROGRAM("nft");
    const ClientServer net;
    const Service web(net.server, 3000);
    const auto made =
        run({"nft", "add table inet own; add chain inet own pre "
                    "{ type nat hook prerouting priority -100; }; "
                    "add rule inet own pre tcp dport 8080 redirect to 3000; "
                    "add rule inet own pre ip daddr 10.1.0.2 tcp dport 8081 dnat to 10.1.0.2:3000"},
            {.netns = &net.server});
    if (made.status != 0) GTEST_SKIP() << "no NAT here: " << made.err;
    ASSERT_TRUE(works(net.server, "attach eth0 80:8080 81:8081 --engine tc"));
    for (bool ipv6 : {false, true})
        EXPECT_EQ(ask(net.client, {kServer(ipv6), 80}, Transport::kTcp), "hello");
    EXPECT_EQ(ask(net.client, {kServer(false), 81}, Transport::kTcp), "hello");
    EXPECT_THAT(tool(net.server, "doctor").out, testing::Not(HasSubstr("published by NAT")));
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

// Kubernetes has NAT rules for port 80 of addresses that no host has, in chains of their own and by
// maps.
TEST_F(NetTest, NatOfOtherAddressesIsNobodysClaim) {
    REQUIRE_PROGRAM("nft");
    const ClientServer net;
    const Service web(net.server, 3000);
    const auto made = run(
        {"nft", "add table ip nat; add chain ip nat SVC; add chain ip nat PREROUTING "
                "{ type nat hook prerouting priority -100; }; "
                "add rule ip nat SVC meta l4proto tcp dnat to 10.42.0.5:8080; "
                "add rule ip nat PREROUTING ip daddr 10.43.0.5 tcp dport 80 jump SVC; "
                "add rule ip nat PREROUTING ip daddr 10.43.0.0/16 tcp dport 80 dnat to 10.42.0.5; "
                "add map ip nat NAMED { type inet_service : ipv4_addr; elements = "
                "{ 81 : 10.42.0.6, 82 : 10.42.0.7 }; }; "
                "add rule ip nat PREROUTING dnat to tcp dport map @NAMED; "
                "add rule ip nat PREROUTING dnat ip to tcp dport map { 83 : 10.42.0.6 . 8080 }; "
                "add rule ip nat PREROUTING ip daddr . meta l4proto . th dport vmap "
                "{ 10.43.0.6 . tcp . 80 : goto SVC, 10.1.0.2 . tcp . 84 : goto SVC }"},
        {.netns = &net.server});
    if (made.status != 0) GTEST_SKIP() << "no NAT here: " << made.err;
    for (const char* rule : {"81:3000", "83:3000", "84:3000"})
        EXPECT_TRUE(refuses(net.server, std::string("attach eth0 ") + rule, 1,
                            {"is redirected by NAT", "ip nat"}));
    const auto done = tool(net.server, "attach eth0 80:3000");
    ASSERT_EQ(done.status, 0) << done.err;
    EXPECT_THAT(done.err, testing::Not(HasSubstr("NAT")));
    EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "hello");
    EXPECT_THAT(tool(net.server, "status").out, testing::Not(HasSubstr("NAT")));
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

// Clients on this host go through NAT's output chain, which is before every engine.
TEST_F(NetTest, NatOfLocalClientsIsNoticed) {
    REQUIRE_PROGRAM("nft");
    const ClientServer net;
    const Service web(net.server, 3000);
    const auto made = run({"nft", "add table ip own; add chain ip own out "
                                  "{ type nat hook output priority -100; }; "
                                  "add rule ip own out oifname lo tcp dport 80 redirect to 8080"},
                          {.netns = &net.server});
    if (made.status != 0) GTEST_SKIP() << "no NAT here: " << made.err;
    EXPECT_TRUE(refuses(net.server, "attach eth0 80:3000", 1, {"redirected by NAT", "ip own out"}));
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 --no-local"));
    EXPECT_EQ(ask(net.client, {kServer(false), 80}, Transport::kTcp), "hello");
    ASSERT_TRUE(works(net.server, "detach eth0"));
}

} // namespace
} // namespace bpfport::test
