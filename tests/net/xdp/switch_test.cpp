// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// From one engine to the other under traffic, refusals, and what is left when XDP goes by another's
// hand.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <linux/bpf.h>
#include <linux/if_link.h>

#include <atomic>
#include <string_view>
#include <thread>

#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

constexpr auto kServer = ClientServer::server_address;

class XdpSwitch : public NetTest {};

// A transfer that goes on until it is told to end: both ways at once on one connection.
class Transfer {
  public:
    Transfer(const Netns& netns, const Endpoint& server)
        : client_(connected(netns, server)), thread_([this] { run(); }) {}
    ~Transfer() { stop(); }
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;

    [[nodiscard]] int rounds() const { return rounds_; }
    // It has gone on for so many rounds more within the patience.
    bool moves(int rounds = 20, std::chrono::milliseconds patience = 20s) {
        const int until = rounds_ + rounds;
        for (auto end = std::chrono::steady_clock::now() + patience;
             std::chrono::steady_clock::now() < end && !failed_;) {
            if (rounds_ >= until) return true;
            std::this_thread::sleep_for(5ms);
        }
        return false;
    }
    void stop() {
        end_ = true;
        if (thread_.joinable()) thread_.join();
    }

  private:
    void run() {
        while (!end_ && !failed_) {
            if (alive(client_, 30000))
                rounds_++;
            else
                failed_ = true;
            std::this_thread::sleep_for(1ms); // other tests need the processor too
        }
    }
    TcpClient client_;
    std::atomic<bool> end_ = false;
    std::atomic<bool> failed_ = false;
    std::atomic<int> rounds_ = 0;
    std::thread thread_; // last: it uses the others
};

TEST_F(XdpSwitch, OpenTransfersGoOn) {
    for (const bool tx_checksum : {false, true}) {
        SCOPED_TRACE(tx_checksum);
        const ClientServer net(tx_checksum);
        const Service service(net.server, 3000);
        ASSERT_TRUE(works(net.server, "attach eth0 80:3000/tcp+udp --engine tc"));
        Transfer begun_under_tc(net.client, {kServer(false), 80});
        ASSERT_TRUE(begun_under_tc.moves());
        ASSERT_TRUE(works(net.server, "attach eth0 80:3000/tcp+udp --engine xdp"));
        Transfer begun_under_xdp(net.client, {kServer(true), 80});
        EXPECT_TRUE(begun_under_tc.moves());
        EXPECT_TRUE(begun_under_xdp.moves());
        const auto said = tool(net.server, "attach eth0 80:3000/tcp+udp --engine tc");
        EXPECT_THAT(said.out, HasSubstr("xdp, now tc")) << said.err;
        EXPECT_TRUE(begun_under_tc.moves());
        EXPECT_TRUE(begun_under_xdp.moves());
        for (const char* engine : {"xdp --xdp-mode generic", "xdp", "tc", "xdp", "tc"}) {
            if (kernel_at_least(6, 9) && std::string_view(engine).ends_with("generic")) continue;
            ASSERT_TRUE(
                works(net.server, fmt::format("attach eth0 80:3000/tcp+udp --engine {}", engine)));
            EXPECT_TRUE(begun_under_tc.moves(5)) << engine;
            EXPECT_TRUE(begun_under_xdp.moves(5)) << engine;
            EXPECT_EQ(ask(net.client, {kServer(true), 80}, Transport::kUdp), "hello") << engine;
        }
        begun_under_tc.stop();
        begun_under_xdp.stop();
        ASSERT_TRUE(works(net.server, "detach eth0"));
        EXPECT_TRUE(expect_kernel_empty({net.server}));
    }
}

TEST_F(XdpSwitch, TheEngineIsShownForEachRule) {
    const ClientServer net;
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 --engine xdp"));
    ASSERT_TRUE(works(net.server, "attach eth0 443:3443"));
    auto now = status(net.server);
    EXPECT_EQ(now.at("rules").at(0).at("engine"), "xdp");
    EXPECT_EQ(now.at("rules").at(1).at("engine"), "tc");
    const char* hooks =
        kernel_at_least(6, 6) ? "eth0 (tcx, xdp native)" : "eth0 (clsact, xdp native)";
    EXPECT_THAT(tool(net.server, "status").out, HasSubstr(hooks));
    ASSERT_TRUE(works(net.server, "detach eth0 80:3000"));
    now = status(net.server);
    for (const auto& hook : now.at("hooks")) EXPECT_EQ(hook.at("xdp"), "");
}

// Another program: returns XDP_PASS.
Fd another_program() {
    const bpf_insn code[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS},
                             {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    return Fd(bpf_prog_load(BPF_PROG_TYPE_XDP, "other_xdp", "GPL", code, 2, nullptr));
}

TEST_F(XdpSwitch, AnothersProgramIsNamedAndLeft) {
    const ClientServer net;
    const Service service(net.server, 3000);
    const Fd other = another_program();
    ASSERT_TRUE(other);
    const int ifindex = static_cast<int>(net.link.b.index());
    const auto here = [&](auto&& call) { return net.server.run(call); };
    ASSERT_EQ(
        here([&] { return bpf_xdp_attach(ifindex, other.get(), XDP_FLAGS_DRV_MODE, nullptr); }), 0);
    EXPECT_TRUE(refuses(net.server, "attach eth0 80:3000 --engine xdp", 1,
                        {"eth0 runs an XDP program already: other_xdp (id ", "native",
                         "ip link set dev eth0 xdp off", "--engine tc"}));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 --engine tc"));
    EXPECT_EQ(ask(net.client, {kServer(true), 80}, Transport::kTcp), "hello");
    EXPECT_TRUE(refuses(net.server, "attach eth0 80:3000 --engine xdp", 1, {"other_xdp"}));
    EXPECT_EQ(ask(net.client, {kServer(true), 80}, Transport::kTcp), "hello")
        << "tc must have gone on";
    ASSERT_EQ(here([&] { return bpf_xdp_detach(ifindex, XDP_FLAGS_DRV_MODE, nullptr); }), 0);
    {
        const Fd link(here([&] {
            LIBBPF_OPTS(bpf_link_create_opts, options);
            return bpf_link_create(other.get(), ifindex, BPF_XDP, &options);
        }));
        ASSERT_TRUE(link);
        EXPECT_TRUE(refuses(net.server, "attach eth0 80:3000 --engine xdp", 1,
                            {"other_xdp", "by link", "bpftool link detach id"}));
    }
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000 --engine xdp"));
}

TEST_F(XdpSwitch, DevicesThatCanNot) {
    const ClientServer net;
    EXPECT_TRUE(refuses(net.server, "attach lo 80:3000 --engine xdp", 1,
                        {"lo has no driver", "--engine tc"}));
    const Tun tun(net.server, "tun0");
    EXPECT_TRUE(refuses(net.server, "attach tun0 80:3000 --engine xdp", 1,
                        {"tun0 has no Ethernet header", "--engine tc"}));
    EXPECT_TRUE(refuses(net.server, "attach eth0 80:3000 --xdp-mode generic", 2,
                        {"--xdp-mode goes with --engine xdp"}));
    if (have_link_type("macvlan")) {
        add_macvlan(net.link.b, net.server, "mac0");
        EXPECT_TRUE(refuses(net.server, "attach mac0 80:3000 --engine xdp", 1,
                            {"mac0 refuses native XDP", "--xdp-mode generic"}));
    }
    // A veth whose peer has more transmit queues than it has receive queues.
    net.client.ip("link add q0 numtxqueues 4 type veth peer name q1 numrxqueues 1 netns " +
                  net.server.name());
    net.server.ip("link set q1 up");
    EXPECT_TRUE(refuses(net.server, "attach q1 80:3000 --engine xdp", 1,
                        {"q1 refuses native XDP", "queue", "ethtool -L q1"}));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

TEST_F(XdpSwitch, TakenOffByAnothersHand) {
    const ClientServer net(false);
    const Service service(net.server, 3000);
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/udp --engine xdp"));
    __u32 program = 0;
    net.server.run(
        [&] { return bpf_xdp_query_id(static_cast<int>(net.link.b.index()), 0, &program); });
    ASSERT_NE(program, 0U);
    bool detached = false;
    for (__u32 id = 0; !detached && bpf_link_get_next_id(id, &id) == 0;) {
        const Fd link(bpf_link_get_fd_by_id(id));
        bpf_link_info info{};
        __u32 size = sizeof(info);
        if (link && bpf_obj_get_info_by_fd(link.get(), &info, &size) == 0 &&
            info.prog_id == program)
            detached = bpf_link_detach(link.get()) == 0;
    }
    ASSERT_TRUE(detached);
    EXPECT_EQ(ask(net.client, {kServer(true), 80}, Transport::kUdp), "hello") << "tc serves";
    EXPECT_THAT(tool(net.server, "status").out, HasSubstr("XDP-GONE"));
    ASSERT_TRUE(works(net.server, "attach eth0 80:3000/udp --engine xdp"));
    EXPECT_THAT(tool(net.server, "status").out, HasSubstr("xdp native"));
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

} // namespace
} // namespace bpfport::test
