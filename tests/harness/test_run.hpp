// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// One frame through one loaded program, by BPF_PROG_TEST_RUN. The kernel takes the frame for one of
// lo in the network namespace of the calling thread: wrap the call in Netns::run to choose it.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <optional>

#include "base/error.hpp"
#include "harness/bytes.hpp"

namespace bpfport::test {

struct TestRunOptions {
    // What the program's context says at start; the fields the kernel accepts are mark, priority,
    // ifindex, ingress_ifindex, cb, tstamp, wire_len, gso_segs, gso_size and hwtstamp.
    std::optional<__sk_buff> skb{};
    // XDP: ingress_ifindex and rx_queue_index. data and data_end are filled in.
    std::optional<xdp_md> xdp{};
    // Each round works on the packet that the last one left. With BPF_F_TEST_XDP_LIVE_FRAMES (5.18)
    // in flags, each is a frame that goes its way, and TestRun::frame stays empty.
    std::uint32_t repeat = 1;
    std::uint32_t flags = 0;
};

// Linux 6.13: the packet has CHECKSUM_COMPLETE, and the run fails (EBADMSG) if its sum is wrong after.
inline constexpr std::uint32_t kTestRunChecksumComplete = 1U << 2;

struct TestRun {
    std::int32_t action = 0; // TC_ACT_* or XDP_*; TC_ACT_UNSPEC is -1
    Bytes frame;
    std::uint32_t duration_ns = 0; // mean of a round
    __sk_buff skb{};               // the context afterwards, when one was given
};

// A sched_cls or xdp program. The frame needs an Ethernet header (14 bytes) at least, except that
// of a device without one, which can't be had here: use a tun device for those.
Result<TestRun> test_run(int program, const Bytes& frame, const TestRunOptions& options = {});

} // namespace bpfport::test
