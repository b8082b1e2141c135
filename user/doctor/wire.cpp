// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "doctor/wire.hpp"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include <bpf/bpf.h>

namespace bpfport {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::uint32_t kLiveFrames = 1U << 1; // BPF_F_TEST_XDP_LIVE_FRAMES, 5.18

} // namespace

Result<Injector> Injector::open(unsigned ifindex) {
    const bpf_insn pass[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS},
                             {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    Fd program(bpf_prog_load(BPF_PROG_TYPE_XDP, "bp_probe", "GPL", pass, 2, nullptr));
    if (!program) return system_error("load the probe's program");
    return Injector(std::move(program), ifindex);
}

Result<void> Injector::send(Frame frame) const {
    frame.resize(std::max<std::size_t>(frame.size(), 60));
    xdp_md context{};
    context.data_end = static_cast<__u32>(frame.size());
    context.ingress_ifindex = ifindex_;
    LIBBPF_OPTS(bpf_test_run_opts, options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<__u32>(frame.size());
    options.ctx_in = &context;
    options.ctx_size_in = sizeof(context);
    options.repeat = 1;
    options.flags = kLiveFrames;
    if (int error = bpf_prog_test_run_opts(program_.get(), &options); error != 0)
        return system_error("inject a frame", -error, "Linux 5.18 can");
    return {};
}

Result<Tap> Tap::open(unsigned ifindex) {
    Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
    sockaddr_ll at{};
    at.sll_family = AF_PACKET;
    at.sll_protocol = htons(ETH_P_ALL);
    at.sll_ifindex = static_cast<int>(ifindex);
    if (!socket || bind(socket.get(), reinterpret_cast<sockaddr*>(&at), sizeof(at)) != 0)
        return system_error("watch what leaves the interface");
    return Tap(std::move(socket));
}

std::optional<FrameView> Tap::answer(const Address& client, std::uint16_t port,
                                     std::chrono::milliseconds patience) const {
    auto end = Clock::now() + patience;
    for (;;) {
        auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
        pollfd ready{socket_.get(), POLLIN, 0};
        if (left <= 0 || ::poll(&ready, 1, static_cast<int>(left)) <= 0) return std::nullopt;
        std::array<std::uint8_t, 2048> bytes;
        sockaddr_ll from{};
        socklen_t size = sizeof(from);
        ssize_t got = recvfrom(socket_.get(), bytes.data(), bytes.size(), 0,
                               reinterpret_cast<sockaddr*>(&from), &size);
        if (got <= 0 || from.sll_pkttype != PACKET_OUTGOING) continue;
        FrameView view = view_frame({bytes.data(), static_cast<std::size_t>(got)});
        if (view.destination == client &&
            (view.icmp || (view.protocol && view.destination_port == port)))
            return view;
    }
}

} // namespace bpfport
