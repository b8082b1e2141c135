// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Other people's programs on the same hooks see every packet while ours are there, and are still
// there when ours are gone.
#include <bpf/bpf.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "harness/sweep.hpp"
#include "net/fixture.hpp"

namespace bpfport::test {
namespace {

// A program that counts packets and lets the next one run.
class Counter {
  public:
    Counter() : map_(::bpf_map_create(BPF_MAP_TYPE_ARRAY, "neighbour", 4, 8, 1, nullptr)) {
        const std::array<bpf_insn, 6> code{{
            {BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_VALUE, 0, map_.get()},
            {0, 0, 0, 0, 0},
            {BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, 1},
            {BPF_STX | BPF_ATOMIC | BPF_DW, 1, 2, 0, BPF_ADD},
            {BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, -1},
            {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
        }};
        program_ = Fd(::bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "neighbour", "GPL", code.data(),
                                      code.size(), nullptr));
        if (!program_) throw std::runtime_error("load: " + error_text(errno));
    }
    [[nodiscard]] int program() const { return program_.get(); }
    [[nodiscard]] std::uint64_t count() const {
        const __u32 zero = 0;
        std::uint64_t value = 0;
        ::bpf_map_lookup_elem(map_.get(), &zero, &value);
        return value;
    }

  private:
    Fd map_;
    Fd program_;
};

constexpr std::array kSides = {"ingress", "egress"};

// One on each way of an interface, by tcx links.
struct TcxNeighbour {
    std::array<Counter, 2> counters;
    std::array<Fd, 2> links;

    explicit TcxNeighbour(const Interface& interface) {
        for (std::size_t side = 0; side < 2; ++side)
            links.at(side) = interface.netns().run([&] {
                return Fd(::bpf_link_create(counters.at(side).program(),
                                            static_cast<int>(interface.index()),
                                            static_cast<bpf_attach_type>(46 + side), nullptr));
            });
    }
};

// The same by clsact filters.
struct ClsactNeighbour {
    std::array<Counter, 2> counters;

    ClsactNeighbour(const Interface& interface, int priority) {
        const ProcessOptions there{.netns = &interface.netns()}; // not `tc -n`, which hides bpffs
        run({"tc", "qdisc", "add", "dev", interface.name(), "clsact"}, there);
        for (std::size_t side = 0; side < 2; ++side) {
            const std::string pin = "/sys/fs/bpf/" + unique_name();
            ::bpf_obj_pin(counters.at(side).program(), pin.c_str());
            const auto done =
                run({"tc", "filter", "add", "dev", interface.name(), kSides.at(side), "prio",
                     std::to_string(priority), "bpf", "da", "object-pinned", pin},
                    there);
            std::filesystem::remove(pin);
            if (done.status != 0) throw std::runtime_error("tc filter: " + done.err);
        }
    }
};

class Neighbours : public NetTest, public testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(, Neighbours, testing::Values("tcx", "clsact"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(Neighbours, GoOnWorking) {
    REQUIRE_HOOK(GetParam());
    REQUIRE_PROGRAM("tc");
    const ClientServer net;
    const Service web(net.server, 3000);
    std::vector<std::unique_ptr<TcxNeighbour>> tcx;
    std::vector<std::unique_ptr<ClsactNeighbour>> clsact;
    const auto add = [&](int priority) {
        if (kernel_at_least(6, 6)) tcx.push_back(std::make_unique<TcxNeighbour>(net.link.b));
        clsact.push_back(std::make_unique<ClsactNeighbour>(net.link.b, priority));
    };
    // Each of them counted something since the last time.
    std::vector<std::uint64_t> before;
    const auto expect_all_counted = [&](const char* when) {
        std::vector<std::uint64_t> now;
        for (const auto& one : tcx)
            for (const Counter& counter : one->counters) now.push_back(counter.count());
        for (const auto& one : clsact)
            for (const Counter& counter : one->counters) now.push_back(counter.count());
        before.resize(now.size());
        for (std::size_t i = 0; i < now.size(); ++i)
            EXPECT_GE(now[i], before[i] + 4) << when << ", neighbour " << i;
        before = now;
    };

    add(10);
    ASSERT_TRUE(works(net.server, std::string("attach eth0 80:3000/tcp+udp --hook ") + GetParam()));
    add(20);
    for (const Flavour& flavour : kFlavours)
        EXPECT_EQ(
            ask(net.client, {ClientServer::server_address(flavour.ipv6), 80}, flavour.transport),
            "hello");
    expect_all_counted("with ours");
    ASSERT_TRUE(works(net.server, "detach eth0"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
    for (const Flavour& flavour : kFlavours)
        EXPECT_EQ(
            ask(net.client, {ClientServer::server_address(flavour.ipv6), 3000}, flavour.transport),
            "hello");
    expect_all_counted("after ours");

    // With everything in place, and detached as a whole.
    const auto attached = tool(net.server, std::string("attach any 80:3000 --hook ") + GetParam());
    EXPECT_EQ(attached.status, 0) << attached.err;
    EXPECT_EQ(attached.err, ""); // nor a word of the library's about the qdisc that is there
    EXPECT_EQ(ask(net.client, {"10.1.0.2", 80}, Transport::kTcp), "hello");
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_EQ(ask(net.client, {"10.1.0.2", 3000}, Transport::kTcp), "hello");
    expect_all_counted("after detach --all");
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

// A tcx link waits for the kernel, a filter doesn't. But not where an ingress qdisc has the place, nor
// where other tcx programs would come before it.
TEST_F(NetTest, ManyHooksAreFiltersWhereTheseAreAsGood) {
    REQUIRE_PROGRAM("tc");
    REQUIRE_KERNEL(6, 6);
    const ClientServer net;
    const Service web(net.server, 3000);
    for (int i = 0; i < 20; ++i)
        net.server.ip(fmt::format("link add a{0} type veth peer name b{0}", i));
    ASSERT_EQ(run({"tc", "qdisc", "add", "dev", "a0", "ingress"}, {.netns = &net.server}).status,
              0);
    const TcxNeighbour other(net.link.b);
    EXPECT_THAT(tool(net.server, "attach any 80:3000 --engine tc --explain").out,
                HasSubstr("hook clsact: so many tcx links would take long"));
    const auto done = tool(net.server, "attach any 80:3000 --engine tc");
    ASSERT_EQ(done.status, 0) << done.err;
    EXPECT_THAT(done.out, HasSubstr("attached (tc, clsact)"));
    const auto now = status(net.server);
    EXPECT_EQ(now.at("hooks").size(), 42U);
    for (const auto& hook : now.at("hooks")) {
        const auto name = hook.at("interface").get<std::string>();
        EXPECT_EQ(hook.at("hook"), name == "a0" || name == "eth0" ? "tcx" : "clsact") << name;
        EXPECT_EQ(hook.at("alive"), true) << name;
    }
    for (const bool ipv6 : {false, true})
        EXPECT_EQ(ask(net.client, {ClientServer::server_address(ipv6), 80}, Transport::kTcp),
                  "hello");
    EXPECT_EQ(ask(net.server, {"127.0.0.1", 80}, Transport::kTcp), "hello");
    ASSERT_TRUE(works(net.server, "detach --all"));
    EXPECT_TRUE(expect_kernel_empty({net.server}));
}

} // namespace
} // namespace bpfport::test
