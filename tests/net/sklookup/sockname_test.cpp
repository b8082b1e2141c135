// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What getsockname(2) of a steered connection says, though it truly is on the listen port.
#include <gmock/gmock.h>

#include <sys/socket.h>
#include <unistd.h>

#include "harness/cgroup.hpp"
#include "harness/sweep.hpp"
#include "net/sklookup/sklookup.hpp"

namespace bpfport::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class Sockname : public SklookupTest {
  protected:
    // What a server that listens on the address says of one client's connection, which is steered.
    std::uint16_t said(const TcpServer& program, bool ipv6, const Netns& from) {
        auto connection = TcpClient::connect(from, {ClientServer::server_address(ipv6), 80});
        if (!connection || !connection->echo("hello")) return 0;
        EXPECT_EQ(connection->peer().port, 80) << "the client's own view";
        EXPECT_GE(connections_on(80), 1U) << "not steered";
        return program.seen().back().local.port;
    }
    std::uint16_t said(const TcpServer& program, bool ipv6) {
        return said(program, ipv6, client());
    }
    void detach_hook(const std::string& link) {
        const auto pin =
            state_root() + "/sklookup-" + std::to_string(server().inode()) + "/" + link;
        EXPECT_EQ(::unlink(pin.c_str()), 0) << pin;
    }
};

TEST_F(Sockname, IsTheTargetPort) {
    const TcpServer before(server(), {"0.0.0.0", 3000});
    attach("auto");
    const TcpServer after(server(), {"::", 3000}, {.v6only = true});
    for (const Netns* from : {&client(), &server()}) {
        EXPECT_EQ(said(before, false, *from), 3000);
        EXPECT_EQ(said(after, true, *from), 3000);
    }
    EXPECT_EQ(before.port(), 3000) << "the listener's own";
    EXPECT_EQ(rule_status().at("sockname"), "target");
    EXPECT_EQ(rule_status().at("notes"), "-");
    EXPECT_EQ(status().at("sklookup").at("sockname_hooks"), true);
}

// An AF_INET6 socket's IPv4 connection takes the hook of the other family.
TEST_F(Sockname, OfADualStackServer) {
    const TcpServer program(server(), {"::", 3000});
    attach("auto");
    for (bool ipv6 : {false, true}) EXPECT_EQ(said(program, ipv6), 3000);
}

TEST_F(Sockname, IsTheListenPortWhenAsked) {
    const TcpServer program(server(), {"::", 3000});
    attach("auto", {"any", "80:3000", "--sockname", "listen"});
    for (bool ipv6 : {false, true}) EXPECT_EQ(said(program, ipv6), 80);
    EXPECT_EQ(rule_status().at("sockname"), "listen");
    EXPECT_EQ(rule_status().at("notes"), "sockname:listen");
    EXPECT_EQ(status().at("sklookup").at("sockname_hooks"), false) << "no rule needs them";
    // Changed in place, for connections made from then on.
    auto old = TcpClient::connect(client(), {"10.1.0.2", 80});
    ASSERT_TRUE(old && old->echo("x"));
    attach("auto");
    for (bool ipv6 : {false, true}) EXPECT_EQ(said(program, ipv6), 3000);
    EXPECT_TRUE(old->echo("y"));
}

// Each rule of one listener has its own, and direct clients are what they are.
TEST_F(Sockname, RulesOfOneTarget) {
    const TcpServer program(server(), {"::", 3000});
    attach("auto", {"any", "80:3000"});
    attach("auto", {"any", "81:3000", "--sockname", "listen"});
    EXPECT_EQ(said(program, false), 3000);
    ASSERT_EQ(try_echo(false, 81), "");
    EXPECT_EQ(program.seen().back().local.port, 81);
    ASSERT_EQ(try_echo(false, 3000), "");
    EXPECT_EQ(program.seen().back().local.port, 3000);
}

// A program's other sockets, on the listen port of another address for one, are not ours.
TEST_F(Sockname, OtherSocketsAreToldTheirOwn) {
    attach("auto", {"any", "10.1.0.2:80:3000"});
    const TcpServer program(server(), {"0.0.0.0", 3000});
    const TcpServer other(server(), {"127.0.0.1", 80});
    ASSERT_EQ(try_echo(server(), {"127.0.0.1", 80}), "");
    EXPECT_EQ(other.seen().back().local.port, 80);
    ASSERT_EQ(try_echo(server(), {"127.0.0.1", 3000}), "");
    EXPECT_EQ(program.seen().back().local.port, 3000);
    EXPECT_EQ(said(program, false), 3000);
}

TEST_F(Sockname, HooksThatWereDetachedAreMissed) {
    const TcpServer program(server(), {"::", 3000});
    attach("auto");
    detach_hook("name4_link");
    EXPECT_EQ(rule_status().at("sockname"), "listen");
    EXPECT_THAT(run_bpfport({"status"}), HasSubstr("warning: 80:3000: getsockname()"));
    EXPECT_THAT(bpfport(server(), {"doctor"}).out,
                HasSubstr("hooks on the root cgroup are missing"));
    EXPECT_EQ(try_echo(false), "") << "clients are served all the same";
    attach("auto");
    EXPECT_EQ(rule_status().at("sockname"), "target");
    EXPECT_EQ(said(program, false), 3000);
}

TEST_F(Sockname, EnginesThatCantTellTheListenPort) {
    for (const char* engine : {"tc", "xdp"}) {
        auto refused = bpfport(
            server(), {"attach", "any", "80:3000", "--engine", engine, "--sockname", "listen"});
        EXPECT_EQ(refused.status, 1);
        EXPECT_THAT(refused.err, HasSubstr("only engine sklookup"));
    }
    EXPECT_TRUE(expect_kernel_empty({server()}));
    // Of datagrams nothing is to be told.
    attach("auto", {"any", "80:3000/tcp+udp", "--sockname", "listen"});
    const auto now = status();
    ASSERT_EQ(now.at("rules").size(), 2U);
    for (const auto& rule : now.at("rules"))
        EXPECT_EQ(rule.contains("sockname"), rule.at("protocol") == "tcp");
}

// Where the root of what bpfport sees is not the whole tree, programs outside it would be told the
// listen port: a container with a cgroup namespace of its own.
TEST_F(Sockname, AutoTakesTcInACgroupNamespace) {
    REQUIRE_PROGRAM("unshare");
    const Cgroup cgroup;
    auto inside = [&](const std::string& words) {
        std::string command = "mount -t cgroup2 none /mnt && exec";
        for (const auto& word : bpfport_command({"--netns", server().name()}))
            command += " " + word;
        return run({"unshare", "--cgroup", "--mount", "sh", "-c", command + " " + words},
                   {.cgroup = &cgroup});
    };
    auto explained = inside("attach any 80:3000 --explain");
    if (explained.err.find("mount:") != std::string::npos) GTEST_SKIP() << explained.err;
    EXPECT_EQ(explained.status, 0) << explained.err;
    EXPECT_THAT(explained.out, HasSubstr("engine tc: not sklookup: getsockname()"));
    EXPECT_THAT(explained.out, HasSubstr("part of the cgroup tree"));
    EXPECT_THAT(inside("attach any 80:3000 --explain --sockname listen").out,
                HasSubstr("engine sklookup: tcp to a program"));
    EXPECT_THAT(inside("attach any 80:3000 --explain --engine sklookup").out,
                HasSubstr("will say the listen port"));
    auto warned = inside("attach any 80:3000 --engine sklookup");
    EXPECT_EQ(warned.status, 0) << warned.err;
    EXPECT_THAT(warned.err, HasSubstr("warning: getsockname() of steered connections"));
}

} // namespace
} // namespace bpfport::test
