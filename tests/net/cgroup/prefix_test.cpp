// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Rules of one cgroup for one listen port that differ by local prefix: the longest one wins, for binds
// and for connects, from inside the cgroup and from outside.
#include "net/cgroup_fixture.hpp"

namespace bpfport::test {
namespace {

class CgroupPrefix : public CgroupTest {
  protected:
    void SetUp() override {
        CgroupTest::SetUp();
        if (IsSkipped()) return;
        REQUIRE_RULES();
        netns->ip("addr add 10.9.0.1/24 dev lo");
        netns->ip("-6 addr add fd09::1/64 dev lo");
        netns->ip("route add local 192.0.2.0/24 dev lo"); // AnyIP
        netns->ip("-6 route add local 2001:db8::/32 dev lo");
        for (const char* bound : {"2001:db8::1", "2001:db8:7::7"}) // IPv6 binds to addresses only
            netns->ip(std::string("-6 addr add ") + bound + "/128 dev lo");
    }
    // Asked from inside the cgroup and from outside.
    void expect(const char* address, Transport transport, const char* answer) const {
        SCOPED_TRACE(address);
        EXPECT_EQ(ask(*netns, {address, 80}, transport), answer) << "from outside";
        InCgroup inside(*cgroup);
        EXPECT_EQ(ask(*netns, {address, 80}, transport), answer) << "from inside";
    }
};

template <typename Server> struct Servers {
    Server one, one6, net, net6, rest;
    explicit Servers(const Netns& netns)
        : one(netns, {"192.0.2.1", 80}, {.answer = "one"}),
          one6(netns, {"2001:db8::1", 80}, {.answer = "one"}),
          net(netns, {"192.0.2.77", 80}, {.answer = "net"}),
          net6(netns, {"2001:db8:7::7", 80}, {.answer = "net"}),
          rest(netns, {"::", 80}, {.answer = "rest"}) {}
};

TEST_F(CgroupPrefix, TheLongestWins) {
    // In an order that is not that of the search.
    must({"attach", "cgroup:" + cgroup->name(), "80:3002/tcp+udp", "192.0.2.0/24:80:3001/tcp+udp",
          "192.0.2.1:80:3000/tcp+udp", "[2001:db8::/32]:80:3001/tcp+udp",
          "[2001:db8::1]:80:3000/tcp+udp"});
    std::unique_ptr<Servers<TcpServer>> tcp;
    std::unique_ptr<Servers<UdpServer>> udp;
    {
        InCgroup inside(*cgroup);
        tcp = std::make_unique<Servers<TcpServer>>(*netns);
        udp = std::make_unique<Servers<UdpServer>>(*netns);
    }
    EXPECT_EQ(tcp->net.port(), 80) << "getsockname";
    for (std::uint16_t port : {3000, 3001, 3002})
        for (bool of_udp : {false, true}) EXPECT_TRUE(wait_for_port(*netns, port, of_udp)) << port;
    for (Transport transport : {Transport::kTcp, Transport::kUdp}) {
        expect("192.0.2.1", transport, "one");
        expect("192.0.2.77", transport, "net");
        expect("10.9.0.1", transport, "rest");
        expect("2001:db8::1", transport, "one");
        expect("2001:db8:7::7", transport, "net");
        expect("fd09::1", transport, "rest");
    }
    // No program is bound to this address of the prefix: its rule is the one that counts.
    expect("192.0.2.78", Transport::kTcp, "refused");
    expect("2001:db8:9::9", Transport::kTcp, "refused");
    const auto report = nlohmann::json::parse(status());
    for (const auto& rule : report.at("cgroups").at(0).at("rules")) {
        SCOPED_TRACE(rule.at("rule").get<std::string>());
        EXPECT_GE(rule.at("binds").get<int>(), 1);
        EXPECT_GE(rule.at("neighbour_connects").get<int>() +
                      rule.at("neighbour_datagrams").get<int>(),
                  1);
        EXPECT_EQ(rule.at("contested"), false);
    }
    // With a rule gone, the next shorter prefix is in force.
    must({"detach", "cgroup:" + cgroup->name(), "192.0.2.1:80:3000"});
    expect("192.0.2.1", Transport::kTcp, "refused"); // at 3001
    InCgroup inside(*cgroup);
    const TcpServer again(*netns, {"192.0.2.1", 80}, {.answer = "again"});
    expect("192.0.2.1", Transport::kTcp, "again");
}

TEST_F(CgroupPrefix, OneTargetIsRefused) {
    const auto refused = bp({"attach", "cgroup:" + cgroup->name(), "8000-8010:=3000"});
    EXPECT_NE(refused.status, 0);
    EXPECT_THAT(refused.err, HasSubstr("8000-8010:=3000 can't be attached to a cgroup"));
    EXPECT_THAT(refused.err, HasSubstr("8000-8010:auto"));
    EXPECT_EQ(entries(), "");
}

} // namespace
} // namespace bpfport::test
