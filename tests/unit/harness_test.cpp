// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The harness against the kernel: namespaces, links, programs, sockets, captures. Real frames must
// be found valid by the model, and what a killed test leaves must be gone with the next.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>

#include "harness/bpfport.hpp"
#include "harness/capture.hpp"
#include "harness/cgroup.hpp"
#include "harness/environment.hpp"
#include "harness/kernel_state.hpp"
#include "harness/process.hpp"
#include "harness/servers.hpp"
#include "harness/sweep.hpp"
#include "harness/test_run.hpp"
#include "harness/topology.hpp"

namespace bpfport::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;

class Harness : public testing::Test {
  protected:
    void SetUp() override {
        REQUIRE_ROOT();
        REQUIRE_PROGRAM("ip");
    }
};

TEST(ProcessTest, StatusAndOutput) {
    const auto result = run({"sh", "-c", "cat; echo err >&2; exit 3"}, {.input = "in"});
    EXPECT_EQ(result.status, 3);
    EXPECT_EQ(result.out, "in");
    EXPECT_EQ(result.err, "err\n");
    EXPECT_EQ(run({"/nonexistent"}).status, 127);
}

TEST(ProcessTest, TimeLimitEndsTheWholeGroup) {
    const auto result = run({"sh", "-c", "sleep 60 & echo $!; wait"}, {.timeout = 2s});
    EXPECT_TRUE(result.timed_out);
    const pid_t child = std::stoi(result.out);
    for (int tries = 0; tries < 100 && ::kill(child, 0) == 0; ++tries) {
        std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
        std::string line;
        std::getline(stat, line);
        if (line.find(") Z") != std::string::npos) break; // ended; its new parent has yet to see it
        ASSERT_LT(tries, 99);
        ::usleep(10000);
    }
}

TEST(ProcessTest, ScopeEndStopsIt) {
    pid_t pid = 0;
    {
        const Process sleeper({"sleep", "60"});
        pid = sleeper.pid();
        EXPECT_EQ(::kill(pid, 0), 0);
    }
    EXPECT_EQ(::kill(pid, 0), -1);
}

TEST_F(Harness, ProcessEntersNamespaceCgroupAndUser) {
    const Netns netns;
    const Cgroup cgroup;
    const auto result =
        run({"sh", "-c", "id -u; readlink /proc/self/ns/net; cat /proc/self/cgroup"},
            {.netns = &netns, .cgroup = &cgroup, .uid = kNobody});
    EXPECT_THAT(result.out, HasSubstr("65534\n"));
    EXPECT_THAT(result.out, HasSubstr(std::to_string(netns.inode())));
    EXPECT_THAT(result.out, HasSubstr("0::" + cgroup.name() + "\n"));
}

TEST_F(Harness, NetnsIsVisibleToIpAndGoesAway) {
    std::string name;
    {
        const Netns netns;
        name = netns.name();
        EXPECT_THAT(netns.ip("link show lo"), HasSubstr("UP"));
        const auto outside = fs::read_symlink("/proc/thread-self/ns/net");
        EXPECT_NE(netns.run([] { return fs::read_symlink("/proc/thread-self/ns/net"); }), outside);
        EXPECT_EQ(fs::read_symlink("/proc/thread-self/ns/net"), outside);
        EXPECT_THROW(netns.run([]() -> int { throw std::runtime_error("x"); }), std::runtime_error);
        EXPECT_EQ(fs::read_symlink("/proc/thread-self/ns/net"), outside);
        EXPECT_THROW(netns.ip("link set nosuch up"), std::runtime_error);
    }
    EXPECT_FALSE(fs::exists(fs::path(kNetnsDirectory) / name));
}

// A test process is killed while it has a namespace and a cgroup, each with a daemon in it that has
// left the group and session of its starter.
TEST_F(Harness, WhatAKilledTestLeavesIsSwept) {
    require_bpffs();
    const Netns living; // must survive the sweep
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    const pid_t victim = ::fork();
    ASSERT_GE(victim, 0);
    if (victim == 0) {
        // A process of its own needs a lock of its own: start over by executing this test again.
        ::setenv("BPT_VICTIM", std::to_string(pipe[1]).c_str(), 1);
        ::execl("/proc/self/exe", "t", "--gtest_also_run_disabled_tests",
                "--gtest_filter=Harness.DISABLED_Victim", nullptr);
        ::_exit(127);
    }
    ::close(pipe[1]);
    std::string told(200, '\0');
    const ssize_t size = ::read(pipe[0], told.data(), told.size());
    ::close(pipe[0]);
    ::kill(victim, SIGKILL);
    ::waitpid(victim, nullptr, 0);
    ASSERT_GT(size, 0);
    std::istringstream words(told);
    std::string netns;
    std::string cgroup;
    std::string root;
    std::array<pid_t, 2> daemons{};
    words >> netns >> cgroup >> root >> daemons[0] >> daemons[1];
    ASSERT_TRUE(fs::exists(root)) << told;
    ASSERT_TRUE(fs::exists(fs::path(kNetnsDirectory) / netns)) << told;
    for (const pid_t daemon : daemons) ASSERT_EQ(::kill(daemon, 0), 0);

    // By the first thing that the next test process does.
    const auto next = run({fs::read_symlink("/proc/self/exe"),
                           "--gtest_filter=Harness.NetnsIsVisibleToIpAndGoesAway"});
    EXPECT_EQ(next.status, 0) << next.out << next.err;
    EXPECT_FALSE(fs::exists(fs::path(kNetnsDirectory) / netns));
    EXPECT_FALSE(fs::exists(cgroup));
    EXPECT_FALSE(fs::exists(root));
    EXPECT_TRUE(fs::exists(fs::path(kNetnsDirectory) / living.name()));
    for (const pid_t daemon : daemons) {
        for (int tries = 0; tries < 200 && ::kill(daemon, 0) == 0; ++tries) ::usleep(10000);
        EXPECT_EQ(::kill(daemon, 0), -1);
    }
}

TEST_F(Harness, DISABLED_Victim) {
    const char* pipe = std::getenv("BPT_VICTIM");
    if (pipe == nullptr) GTEST_SKIP() << "only run by WhatAKilledTestLeavesIsSwept";
    const Netns netns;
    const Cgroup cgroup;
    // The nap lets it leave the group before the group is ended.
    const std::vector<std::string> daemon = {"sh", "-c",
                                             "setsid sh -c 'echo $$; exec sleep 300' & sleep 0.3"};
    fs::create_directories(state_root() + "/netns-1");
    const std::string text = netns.name() + " " + cgroup.path() + " " + state_root() + " " +
                             run(daemon, {.netns = &netns}).out +
                             run(daemon, {.cgroup = &cgroup}).out;
    ASSERT_GT(::write(std::stoi(pipe), text.data(), text.size()), 0);
    ::pause();
}

struct Family {
    bool ipv6;
    bool tx_checksum;
};
class Traffic : public Harness, public testing::WithParamInterface<Family> {};

TEST_P(Traffic, RealFramesAreFoundValid) {
    const auto [ipv6, tx_checksum] = GetParam();
    const ClientServer net(tx_checksum);
    const Endpoint server{ClientServer::server_address(ipv6), 3000};
    const Endpoint any{ipv6 ? "::" : "0.0.0.0", 3000};
    const TcpServer tcp(net.server, any);
    const UdpServer udp(net.server, any);
    ASSERT_TRUE(wait_for_port(net.server, 3000));
    ASSERT_TRUE(wait_for_port(net.server, 3000, true));
    Capture capture(net.link.b);

    auto client = TcpClient::connect(net.client, server,
                                     {.source = Endpoint{ClientServer::client_address(ipv6), 555}});
    ASSERT_TRUE(client) << client.error().message;
    EXPECT_EQ(client->echo("hello").value_or(""), "hello");
    auto datagrams = UdpClient::connect(net.client, server);
    EXPECT_EQ(datagrams->echo("odd").value_or(Datagram{}).data, "odd");
    const std::string large(8000, 'x');
    EXPECT_EQ(datagrams->echo(large).value_or(Datagram{}).data, large);
    client->reset();
    EXPECT_EQ(tcp.seen().front(), (Seen{server, {ClientServer::client_address(ipv6), 555}}));
    EXPECT_EQ(udp.seen().size(), 2U);

    // A port nobody has: an ICMP error that quotes the datagram.
    auto refused = UdpClient::connect(net.client, {server.address, 3999});
    ASSERT_TRUE(refused->send("?"));
    EXPECT_EQ(refused->receive().error().code, ECONNREFUSED);

    std::size_t fragments = 0;
    std::size_t quotes = 0;
    std::size_t unfinished = 0;
    const auto frames = capture.all([](const Captured& c) { return c.view.packet.has_value(); });
    for (const Captured& captured : frames) {
        fragments += captured.view.packet->fragment ? 1 : 0;
        quotes += captured.view.quoted ? 1 : 0;
        unfinished += captured.checksum_ready ? 0 : 1;
        // The error quotes what it was handed, an unfinished checksum too.
        if (captured.checksum_ready && (tx_checksum ? !captured.view.quoted : true)) {
            EXPECT_TRUE(captured.view.checksums_good()) << describe(captured.frame) << "\n"
                                                        << hexdump(captured.frame);
        }
        EXPECT_EQ(captured.view.problem, "");
    }
    EXPECT_GE(frames.size(), 12U);
    EXPECT_EQ(fragments, 12U); // 8008 bytes in six fragments, there and back
    EXPECT_EQ(quotes, 1U);
    EXPECT_EQ(unfinished == 0, !tx_checksum);
}

INSTANTIATE_TEST_SUITE_P(, Traffic,
                         testing::Values(Family{false, false}, Family{false, true},
                                         Family{true, false}, Family{true, true}),
                         [](const auto& test) {
                             return std::string(test.param.ipv6 ? "v6" : "v4") +
                                    (test.param.tx_checksum ? "TxOn" : "TxOff");
                         });

TEST_F(Harness, MptcpAndReuseport) {
    if (!open_socket(Netns(), AF_INET, SOCK_STREAM, {.mptcp = true}))
        GTEST_SKIP() << "the kernel has no MPTCP";
    const ClientServer net;
    const TcpServer first(net.server, {"::", 3000}, {.reuse_port = true, .mptcp = true});
    const TcpServer second(net.server, {"::", 3000}, {.reuse_port = true, .mptcp = true});
    for (int i = 0; i < 20; ++i) {
        auto client =
            TcpClient::connect(net.client, {ClientServer::server_address(i % 2 == 0), 3000});
        ASSERT_TRUE(client) << client.error().message;
        EXPECT_EQ(client->echo("x").value_or(""), "x");
    }
    EXPECT_EQ(first.seen().size() + second.seen().size(), 20U);
}

TEST_F(Harness, RefusedAndSilentPeersHaveTheirErrors) {
    const ClientServer net;
    const Endpoint server{ClientServer::server_address(false), 80};
    EXPECT_EQ(TcpClient::connect(net.client, server).error().code, ECONNREFUSED);
    net.server.ip("address del 10.1.0.2/24 dev eth0");
    net.client.ip("neighbour replace 10.1.0.2 lladdr 02:00:00:00:00:09 dev eth0");
    EXPECT_EQ(TcpClient::connect(net.client, server, {.timeout = 200ms}).error().code, ETIMEDOUT);
}

TEST_F(Harness, RouterLearnsPathMtu) {
    for (const bool ipv6 : {false, true}) {
        const ClientRouterServer net(1280, false);
        const Endpoint server{ClientRouterServer::server_address(ipv6), 3000};
        const TcpServer tcp(net.server, {ipv6 ? "::" : "0.0.0.0", 3000}, {.reply_bytes = 300000});
        Capture capture(net.server_link.a);
        // The client's own MSS would tell the server; a larger one makes the router speak.
        net.client.ip("link set eth0 mtu 1500");
        auto client = TcpClient::connect(net.client, server);
        ASSERT_TRUE(client) << client.error().message;
        ASSERT_TRUE(client->send("go"));
        EXPECT_EQ(client->receive(300000).value_or("").size(), 300000U);
        const auto error =
            capture.next([](const Captured& c) { return c.view.quoted.has_value(); });
        ASSERT_TRUE(error);
        EXPECT_EQ(error->view.quoted->sport, 3000);
        EXPECT_EQ(error->view.packet->l4_checksum, Verdict::kGood) << describe(error->frame);
    }
}

TEST_F(Harness, TwoUplinksAnswerAsymmetrically) {
    const TwoUplinks net(true);
    const TcpServer tcp(net.server, {"::", 3000});
    Capture second(net.second.a);
    for (const bool ipv6 : {false, true}) {
        auto client = TcpClient::connect(net.client, {TwoUplinks::first_address(ipv6), 3000});
        ASSERT_TRUE(client) << client.error().message;
        EXPECT_EQ(client->echo("x").value_or(""), "x");
    }
    const auto replies = second.all(with_port(3000));
    EXPECT_FALSE(replies.empty());
    for (const Captured& reply : replies)
        EXPECT_EQ(reply.view.packet->sport, 3000) << describe(reply.frame);
}

TEST_F(Harness, TagsAreSeenInTheFrame) {
    const ClientServer net;
    Capture server(net.link.b);
    const Bytes frame = (Ethernet{.dst = net.link.b.mac(), .src = net.link.a.mac()} /
                         Vlan{.id = 7, .tpid = 0x88a8} / Vlan{.id = 5} / Ipv4{} / Tcp{})
                            .build();
    Capture(net.link.a).send(frame);
    const auto captured = server.next(with_port(80));
    ASSERT_TRUE(captured);
    EXPECT_EQ(captured->frame, frame) << hexdump(captured->frame, frame);
}

TEST_F(Harness, VlanDeviceCarriesTraffic) {
    REQUIRE_LINK_TYPE("vlan");
    const ClientServer net;
    add_vlan(net.link.a, 5).add_address("10.5.0.1/24");
    add_vlan(net.link.b, 5).add_address("10.5.0.2/24");
    const TcpServer tagged(net.server, {"10.5.0.2", 3000});
    EXPECT_TRUE(TcpClient::connect(net.client, {"10.5.0.2", 3000}));
}

TEST_F(Harness, MacvlanAndBridgeCarryTraffic) {
    REQUIRE_LINK_TYPE("macvlan");
    REQUIRE_LINK_TYPE("bridge");
    const ClientServer net;
    const Netns child;
    add_macvlan(net.link.b, child, "mv0").add_address("10.1.0.3/24");
    const TcpServer macvlan(child, {"10.1.0.3", 3000});
    EXPECT_TRUE(TcpClient::connect(net.client, {"10.1.0.3", 3000}));

    const Netns bridge;
    const Netns guest;
    const VethPair port(guest, "eth0", bridge, "port0");
    add_bridge(bridge, "br0", {port.b}).add_address("10.9.0.1/24");
    port.a.add_address("10.9.0.2/24");
    const TcpServer on_bridge(bridge, {"10.9.0.1", 3000});
    EXPECT_TRUE(TcpClient::connect(guest, {"10.9.0.1", 3000}));
}

TEST_F(Harness, TunCarriesPacketsWithoutEthernet) {
    const Netns netns;
    const Tun tun(netns, "tun0");
    tun.interface().add_address("10.7.0.1/24");
    const UdpServer udp(netns, {"10.7.0.1", 3000});
    tun.send((Ipv4{.src = "10.7.0.9", .dst = "10.7.0.1"} / Udp{.sport = 9, .dport = 3000} /
              Payload("ping"))
                 .build());
    std::optional<Bytes> reply; // the kernel's own IPv6 chatter may come first
    while ((reply = tun.receive()) && parse(*reply, Start::kNetwork).packet->dport != 9) {
    }
    ASSERT_TRUE(reply);
    EXPECT_TRUE(parse(*reply, Start::kNetwork).checksums_good());
}

TEST_F(Harness, InjectedFramesArrive) {
    const ClientServer net;
    const UdpServer udp(net.server, {"::", 3000});
    const Capture client(net.link.a);
    client.send((Ethernet{.dst = net.link.b.mac(), .src = net.link.a.mac()} /
                 Ipv4{.src = "10.1.0.1", .dst = "10.1.0.2", .options = Bytes(4, 1)} /
                 Udp{.sport = 7, .dport = 3000, .checksum = Checksum::kZero} / Payload("x"))
                    .build());
    for (const Bytes& part : fragments(Ethernet{.dst = net.link.b.mac(), .src = net.link.a.mac()} /
                                           Ipv6{.src = "fd01::1", .dst = "fd01::2"} / HopByHop{} /
                                           Udp{.sport = 8, .dport = 3000} / Payload(4000),
                                       1024))
        client.send(part);
    for (int tries = 0; tries < 100 && udp.seen().size() < 2; ++tries) ::usleep(10000);
    EXPECT_EQ(udp.seen().size(), 2U);
}

// The smallest program: returns one number.
Fd load(bpf_prog_type type, int result) {
    const std::array<bpf_insn, 2> code{{
        {.code = BPF_ALU64 | BPF_MOV | BPF_K,
         .dst_reg = BPF_REG_0,
         .src_reg = 0,
         .off = 0,
         .imm = result},
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
    }};
    return Fd(::bpf_prog_load(type, "bp_harness", "GPL", code.data(), code.size(), nullptr));
}

TEST_F(Harness, KernelStateNamesWhatIsLeft) {
    require_bpffs();
    const Netns netns;
    const Netns other;
    const Cgroup cgroup;
    EXPECT_TRUE(expect_kernel_empty({netns}, {cgroup}));
    const auto expect_left = [&](const char* what) {
        const auto left = expect_kernel_empty({netns}, {cgroup}, 50ms);
        EXPECT_FALSE(left);
        EXPECT_THAT(left.message(), HasSubstr(what));
        EXPECT_TRUE(expect_kernel_empty({other}));
    };
    const Fd program = load(BPF_PROG_TYPE_SCHED_CLS, -1);
    ASSERT_TRUE(program);
    if (kernel_at_least(6, 6)) {
        constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);
        const Fd link(
            netns.run([&] { return ::bpf_link_create(program.get(), 1, kTcxIngress, nullptr); }));
        expect_left("tcx ingress of lo");
    }
    const std::string pinned = std::string("/sys/fs/bpf/") + unique_name();
    ASSERT_EQ(::bpf_obj_pin(program.get(), pinned.c_str()), 0);
    // Not `tc -n`, which hides bpffs.
    run({"tc", "qdisc", "add", "dev", "lo", "clsact"}, {.netns = &netns});
    const auto filter =
        run({"tc", "filter", "add", "dev", "lo", "egress", "bpf", "da", "object-pinned", pinned},
            {.netns = &netns});
    fs::remove(pinned);
    ASSERT_EQ(filter.status, 0) << filter.err;
    expect_left("clsact egress of lo");
    run({"tc", "qdisc", "del", "dev", "lo", "clsact"}, {.netns = &netns});
    EXPECT_TRUE(expect_kernel_empty({netns}, {cgroup}));
    {
        const Fd hooked = load(BPF_PROG_TYPE_CGROUP_SKB, 1);
        const Fd directory(::open(cgroup.path().c_str(), O_RDONLY | O_CLOEXEC));
        const Fd link(
            ::bpf_link_create(hooked.get(), directory.get(), BPF_CGROUP_INET_EGRESS, nullptr));
        ASSERT_TRUE(link);
        expect_left("egress of /bpt-");
    }
    EXPECT_TRUE(expect_kernel_empty({netns}, {cgroup}));
    fs::create_directory(state_root());
    EXPECT_TRUE(expect_kernel_empty({netns}));
    fs::create_directory(state_root() + "/staging-1-1");
    EXPECT_FALSE(expect_kernel_empty({}, {}, 0ms));
    fs::remove_all(state_root());
}

TEST_F(Harness, TestRunGivesActionAndFrame) {
    const Bytes frame = (Ethernet{} / Ipv4{} / Tcp{}).build();
    const Fd classifier = load(BPF_PROG_TYPE_SCHED_CLS, -1);
    __sk_buff context{};
    context.mark = 5;
    const auto run = test_run(classifier.get(), frame, {.skb = context, .repeat = 10});
    ASSERT_TRUE(run) << run.error().message;
    EXPECT_EQ(run->action, -1);
    EXPECT_EQ(run->frame, frame);
    EXPECT_EQ(run->skb.mark, 5U);
    const Fd xdp = load(BPF_PROG_TYPE_XDP, XDP_PASS);
    TestRunOptions options;
    if (kernel_at_least(5, 15)) options.xdp.emplace(); // before, XDP's test run takes no context
    const auto passed = test_run(xdp.get(), frame, options);
    ASSERT_TRUE(passed) << passed.error().message;
    EXPECT_EQ(passed->action, XDP_PASS);
    const auto refused = test_run(classifier.get(), Bytes(3));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, EINVAL);
}

} // namespace
} // namespace bpfport::test
