// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The harness: programs and hooks that are left are named, and test runs of programs.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "harness/bpfport.hpp"
#include "harness/cgroup.hpp"
#include "harness/kernel_state.hpp"
#include "harness/packet.hpp"
#include "harness/process.hpp"
#include "harness/sweep.hpp"
#include "harness/test_run.hpp"
#include "unit/harness_fixture.hpp"

namespace bpfport::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
namespace fs = std::filesystem;

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
