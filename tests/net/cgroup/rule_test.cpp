// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Rules on a cgroup: a server that binds 80 gets 3000, is told 80, and is reached by 80 from inside
// and outside its cgroup.
#include <netinet/in.h>
#include <sys/socket.h>

#include "net/cgroup_fixture.hpp"

namespace bpfport::test {
namespace {

struct RuleCase {
    const char* description;
    const char* bind_to;
    const char* connect_to;
    bool mptcp = false;
};

void PrintTo(const RuleCase& c, std::ostream* out) { *out << c.description; }

class CgroupRule : public CgroupTest, public testing::WithParamInterface<RuleCase> {
  protected:
    void SetUp() override {
        CgroupTest::SetUp();
        if (IsSkipped()) return;
        REQUIRE_RULES();
        if (GetParam().mptcp) {
            REQUIRE_KERNEL(5, 19); // bpf_skc_to_mptcp_sock
            if (netns->sysctl("net/mptcp/enabled").empty()) GTEST_SKIP() << "no Multipath TCP";
        }
        netns->ip("addr add 10.9.0.1/24 dev lo");
        netns->ip("-6 addr add fd09::1/64 dev lo");
    }
    [[nodiscard]] Endpoint at(std::uint16_t port) const { return {GetParam().connect_to, port}; }
};

INSTANTIATE_TEST_SUITE_P(
    All, CgroupRule,
    testing::Values(RuleCase{"v4", "127.0.0.1", "127.0.0.1"},
                    RuleCase{"v4_any", "0.0.0.0", "127.0.0.1"},
                    RuleCase{"v4_own_address", "0.0.0.0", "10.9.0.1"}, RuleCase{"v6", "::1", "::1"},
                    RuleCase{"v6_own_address", "::", "fd09::1"},
                    RuleCase{"dual_stack_v4_client", "::", "127.0.0.1"},
                    RuleCase{"dual_stack_mapped_client", "::", "::ffff:10.9.0.1"},
                    RuleCase{"mptcp_v4", "0.0.0.0", "127.0.0.1", true},
                    RuleCase{"mptcp_dual_stack", "::", "::1", true}),
    [](const auto& test) { return std::string(test.param.description); });

TEST_P(CgroupRule, TcpServerIsReachedByTheListenPort) {
    must({"attach", "cgroup:" + cgroup->name(), "80:3000"});
    std::unique_ptr<TcpServer> server;
    {
        InCgroup inside(*cgroup);
        server = std::make_unique<TcpServer>(*netns, Endpoint{GetParam().bind_to, 80},
                                             ServerOptions{.mptcp = GetParam().mptcp});
    }
    EXPECT_EQ(server->port(), 80) << "getsockname of the listener";
    EXPECT_TRUE(wait_for_port(*netns, 3000)) << "the kernel has it on the target port";

    for (bool inside : {false, true}) {
        std::unique_ptr<InCgroup> in = inside ? std::make_unique<InCgroup>(*cgroup) : nullptr;
        auto client = TcpClient::connect(*netns, at(80), {.mptcp = GetParam().mptcp});
        ASSERT_TRUE(client) << (inside ? "inside: " : "outside: ") << client.error().message;
        EXPECT_EQ(client->echo("hello").value_or(""), "hello");
        EXPECT_EQ(client->peer().port, 80) << "getpeername of the client";
        ASSERT_FALSE(server->seen().empty());
        EXPECT_EQ(server->seen().back().local.port, 80) << "getsockname of the accepted socket";
        EXPECT_EQ(server->seen().back().peer.port, client->local().port);
    }
    auto direct = TcpClient::connect(*netns, at(3000));
    ASSERT_TRUE(direct) << direct.error().message;
    EXPECT_EQ(direct->echo("direct").value_or(""), "direct");
    EXPECT_EQ(direct->peer().port, 3000) << "who asked for 3000 is told 3000";
}

TEST_P(CgroupRule, UdpServerIsReachedByTheListenPort) {
    if (GetParam().mptcp) GTEST_SKIP() << "UDP has no multipath";
    must({"attach", "cgroup:" + cgroup->name(), "53:5300/udp"});
    std::unique_ptr<UdpServer> server;
    {
        InCgroup inside(*cgroup);
        server = std::make_unique<UdpServer>(*netns, Endpoint{GetParam().bind_to, 53});
    }
    EXPECT_EQ(server->port(), 53);
    EXPECT_TRUE(wait_for_port(*netns, 5300, true));
    for (bool inside : {false, true}) {
        SCOPED_TRACE(inside ? "client inside" : "client outside");
        std::unique_ptr<InCgroup> in = inside ? std::make_unique<InCgroup>(*cgroup) : nullptr;
        auto connected = UdpClient::connect(*netns, at(53));
        ASSERT_TRUE(connected) << connected.error().message;
        auto answer = connected->echo("question");
        ASSERT_TRUE(answer) << answer.error().message;
        EXPECT_EQ(answer->data, "question");
        EXPECT_EQ(answer->from.port, 53);
        EXPECT_EQ(peer_endpoint(connected->socket()).port, 53);

        auto loose = UdpClient::open(*netns, at(53).address.is_ipv6());
        ASSERT_TRUE(loose);
        for (std::uint16_t port : {53, 5300, 53}) { // the port asked for last is the one told
            ASSERT_TRUE(loose->send_to(at(port), "question"));
            auto back = loose->receive();
            ASSERT_TRUE(back) << port << ": " << back.error().message;
            EXPECT_EQ(back->from.port, port);
        }
    }
}

class CgroupRules : public CgroupTest {
  protected:
    void SetUp() override {
        CgroupTest::SetUp();
        if (!IsSkipped()) REQUIRE_RULES();
    }
    // bind(0.0.0.0:port) of a TCP socket made in the cgroup; the errno, 0 when it worked.
    [[nodiscard]] std::pair<Fd, int> bind_in(const Cgroup& where, const Endpoint& at,
                                             int type = SOCK_STREAM) const {
        InCgroup inside(where);
        auto socket = open_socket(*netns, at.address.family(), type, {.source = at});
        if (!socket) return {Fd(), socket.error().code};
        return {std::move(*socket), 0};
    }
    // With the rule 80:3000, a socket of the cgroup whose bind to 80 has failed, as 3000 was taken.
    [[nodiscard]] Fd refused_socket() const {
        must({"attach", "cgroup:" + cgroup->name(), "80:3000"});
        auto holder = open_socket(*netns, AF_INET, SOCK_STREAM,
                                  {.source = Endpoint{"127.0.0.1", 3000}, .reuse_address = false});
        EXPECT_TRUE(holder);
        InCgroup inside(*cgroup);
        Fd socket;
        netns->run([&] { socket = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); });
        const SocketAddress eighty(Endpoint{"127.0.0.1", 80});
        EXPECT_NE(::bind(socket.get(), eighty.get(), eighty.size), 0);
        EXPECT_EQ(errno, EADDRINUSE) << "the target port is what is taken";
        return socket;
    }
};

TEST_F(CgroupRules, OtherBindsAreAsWithoutUs) {
    must({"attach", "cgroup:" + cgroup->name(), "80:3000"});
    auto [chosen, error] = bind_in(*cgroup, {"127.0.0.1", 0});
    EXPECT_EQ(error, 0);
    EXPECT_GT(local_endpoint(chosen).port, 1023) << "port 0 is the kernel's choice";
    auto [other, other_error] = bind_in(*cgroup, {"127.0.0.1", 8080});
    EXPECT_EQ(other_error, 0);
    EXPECT_EQ(local_endpoint(other).port, 8080);
    auto [direct, direct_error] = bind_in(*cgroup, {"127.0.0.1", 3000});
    EXPECT_EQ(direct_error, 0);
    EXPECT_EQ(local_endpoint(direct).port, 3000) << "who asked for 3000 is told 3000";
    auto [udp, udp_error] = bind_in(*cgroup, {"127.0.0.1", 80}, SOCK_DGRAM);
    EXPECT_EQ(udp_error, 0);
    EXPECT_EQ(local_endpoint(udp).port, 80) << "the rule is for TCP";
    auto outside = open_socket(*netns, AF_INET, SOCK_STREAM, {.source = Endpoint{"127.0.0.1", 80}});
    ASSERT_TRUE(outside);
    EXPECT_EQ(local_endpoint(*outside).port, 80) << "outside the cgroup nothing changes";
}

TEST_F(CgroupRules, AFailedBindIsNotRemembered) {
    const Fd socket = refused_socket();
    const SocketAddress target(Endpoint{"127.0.0.1", 3000});
    ASSERT_EQ(::bind(socket.get(), target.get(), target.size), 0) << error_text(errno);
    EXPECT_EQ(local_endpoint(socket).port, 3000);
}

TEST_F(CgroupRules, AfterAFailedBindThePortMayBeTheKernelsChoice) {
    const Fd socket = refused_socket();
    const SocketAddress any(Endpoint{"127.0.0.1", 0});
    ASSERT_EQ(::bind(socket.get(), any.get(), any.size), 0) << error_text(errno);
    EXPECT_GT(local_endpoint(socket).port, 1023);
    EXPECT_THAT(status(), HasSubstr("\"binds\": 0")) << "none was rewritten and succeeded";
}

TEST_F(CgroupRules, ReusePortGroupsWork) {
    must({"attach", "cgroup:" + cgroup->name(), "80:3000"});
    InCgroup inside(*cgroup);
    TcpServer first(*netns, {"0.0.0.0", 80}, {.reuse_port = true});
    TcpServer second(*netns, {"0.0.0.0", 80}, {.reuse_port = true});
    for (int i = 0; i < 20; i++) {
        auto client = TcpClient::connect(*netns, {"127.0.0.1", 80});
        ASSERT_TRUE(client);
        EXPECT_EQ(client->echo("x").value_or(""), "x");
    }
    EXPECT_EQ(first.seen().size() + second.seen().size(), 20U);
}

TEST_F(CgroupRules, AnotherNamespaceIsLeftAlone) {
    must({"attach", "cgroup:" + cgroup->name(), "80:3000"});
    const Netns other;
    InCgroup inside(*cgroup);
    TcpServer server(other, {"127.0.0.1", 80});
    EXPECT_TRUE(wait_for_port(other, 80));
    auto client = TcpClient::connect(other, {"127.0.0.1", 80});
    ASSERT_TRUE(client);
    EXPECT_EQ(client->echo("x").value_or(""), "x");
}

TEST_F(CgroupRules, TwoCgroupsEachReachTheirOwn) {
    const Cgroup second;
    must({"attach", "cgroup:" + cgroup->name(), "80:auto"});
    auto attached = bp({"attach", "cgroup:" + second.name(), "80:auto"});
    EXPECT_EQ(attached.status, 0) << attached.err;
    EXPECT_THAT(attached.err, HasSubstr("claimed by cgroup:" + cgroup->name()));
    std::unique_ptr<TcpServer> a, b;
    {
        InCgroup inside(*cgroup);
        a = std::make_unique<TcpServer>(*netns, Endpoint{"0.0.0.0", 80});
    }
    {
        InCgroup inside(second);
        b = std::make_unique<TcpServer>(*netns, Endpoint{"0.0.0.0", 80});
        auto client = TcpClient::connect(*netns, {"127.0.0.1", 80});
        ASSERT_TRUE(client);
        EXPECT_EQ(client->echo("second").value_or(""), "second");
    }
    EXPECT_EQ(a->seen().size(), 0U);
    EXPECT_EQ(b->seen().size(), 1U);
    auto stranger = TcpClient::connect(*netns, {"127.0.0.1", 80});
    ASSERT_FALSE(stranger) << "with two claimants a stranger's connect is left alone";
    EXPECT_EQ(stranger.error().code, ECONNREFUSED);
    EXPECT_THAT(status(), HasSubstr("\"contested\": true"));

    must({"detach", "cgroup:" + second.name()});
    auto again = TcpClient::connect(*netns, {"127.0.0.1", 80});
    ASSERT_TRUE(again) << "one claimant is left: " << again.error().message;
    EXPECT_EQ(again->echo("first").value_or(""), "first");
    EXPECT_EQ(a->seen().size(), 1U);
}

TEST_F(CgroupRules, TheSecondWithTheSameTargetIsRefused) {
    const Cgroup second;
    must({"attach", "cgroup:" + cgroup->name(), "80:3000"});
    auto refused = bp({"attach", "cgroup:" + second.name(), "80:3000"});
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err, HasSubstr("target port 3000 is that of 80:3000 on cgroup:"));
    EXPECT_THAT(refused.err, HasSubstr("80:auto"));
}

TEST_F(CgroupRules, AListenerOnTheListenPortIsNotRobbed) {
    TcpServer server(*netns, {"0.0.0.0", 80});
    auto refused = bp({"attach", "cgroup:" + cgroup->name(), "80:3000"});
    EXPECT_EQ(refused.status, 1);
    EXPECT_THAT(refused.err, HasSubstr("port 80 is taken"));
    must({"attach", "cgroup:" + cgroup->name(), "80:3000", "--no-local"});
    auto client = TcpClient::connect(*netns, {"127.0.0.1", 80});
    ASSERT_TRUE(client);
    EXPECT_EQ(client->echo("x").value_or(""), "x") << "--no-local leaves connects alone";
}

TEST_F(CgroupRules, ReplaceChangesTheTargetAndDetachEndsIt) {
    must({"attach", "cgroup:" + cgroup->name(), "80:3000"});
    EXPECT_EQ(bp({"attach", "cgroup:" + cgroup->name(), "80:4000"}).status, 1);
    must({"attach", "cgroup:" + cgroup->name(), "80:4000", "--replace"});
    {
        auto [socket, error] = bind_in(*cgroup, {"127.0.0.1", 80});
        EXPECT_EQ(error, 0);
        EXPECT_EQ(local_endpoint(socket).port, 80);
        auto taken = open_socket(*netns, AF_INET, SOCK_STREAM,
                                 {.source = Endpoint{"127.0.0.1", 4000}, .reuse_address = false});
        EXPECT_FALSE(taken) << "it is on the new target";
    }
    must({"detach", "cgroup:" + cgroup->name(), "80:4000"});
    EXPECT_EQ(entries(), "") << "with the last rule everything goes";
}

TEST_F(CgroupRules, NothingIsLeftAfterTheCgroupIsRemoved) {
    must({"attach", "cgroup:" + cgroup->name(), "80:3000", "--owner", "nobody"});
    EXPECT_THAT(entries(), HasSubstr("cgroup-"));
    cgroup = std::make_unique<Cgroup>(); // the first is removed
    const Cgroup other;
    must({"attach", "cgroup:" + other.name(), "81:3001"}); // any command that changes things sweeps
    must({"detach", "cgroup:" + other.name()});
    EXPECT_EQ(entries(), "");
}

struct Refusal {
    std::vector<std::string> words;
    const char* says;
};

TEST_F(CgroupRules, WhatHasNoMeaningOnACgroupIsRefused) {
    const std::string scope = "cgroup:" + cgroup->name();
    for (const auto& [words, says] :
         {Refusal{{"attach", scope, "80:3000", "--vlan"}, "--vlan is for interfaces"},
          Refusal{{"attach", scope, "80:3000", "--on-absent", "drop"},
                  "--on-absent drop is for interfaces"},
          Refusal{{"attach", scope, "lo", "80:3000"}, "interfaces and cgroups are named together"},
          Refusal{{"attach", "lo", "80:auto"}, "only a cgroup's rule can choose its target"},
          Refusal{{"attach", "cgroup:/no/such/place", "80:3000"}, "No such file"},
          Refusal{{"attach", "unit:no-such-unit", "80:3000"}, "it is not running"},
          Refusal{{"attach", "container:no-such-one", "80:3000"}, "no running container"},
          Refusal{{"detach", scope}, "no rule is attached to"}}) {
        auto refused = bp(words);
        EXPECT_NE(refused.status, 0) << testing::PrintToString(words);
        EXPECT_THAT(refused.err, HasSubstr(says));
        EXPECT_EQ(entries(), "") << testing::PrintToString(words);
    }
}

} // namespace
} // namespace bpfport::test
