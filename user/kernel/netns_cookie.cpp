// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/netns_cookie.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "kernel/cgroup.hpp"

namespace bpfport {

namespace {

// if (bpf_get_socket_cookie(ctx) == socket) map[0] = bpf_get_netns_cookie(ctx); return 1;
// By the socket and not by the process: its number in a PID namespace is not the one that programs read.
Fd load_observer(const Fd& map, std::uint64_t socket) {
    auto low = static_cast<std::int32_t>(socket), high = static_cast<std::int32_t>(socket >> 32);
    constexpr int kMove = BPF_ALU64 | BPF_MOV, kCall = BPF_JMP | BPF_CALL;
    constexpr int kWide = BPF_LD | BPF_DW | BPF_IMM;
    const bpf_insn program[] = {
        {kMove | BPF_X, BPF_REG_6, BPF_REG_1, 0, 0},
        {kCall, 0, 0, 0, BPF_FUNC_get_socket_cookie},
        {kWide, BPF_REG_1, 0, 0, low},
        {0, 0, 0, 0, high},
        {BPF_JMP | BPF_JNE | BPF_X, BPF_REG_0, BPF_REG_1, 5, 0},
        {kMove | BPF_X, BPF_REG_1, BPF_REG_6, 0, 0},
        {kCall, 0, 0, 0, BPF_FUNC_get_netns_cookie},
        {kWide, BPF_REG_1, BPF_PSEUDO_MAP_VALUE, 0, map.get()},
        {0, 0, 0, 0, 0},
        {BPF_STX | BPF_MEM | BPF_DW, BPF_REG_1, BPF_REG_0, 0, 0},
        {kMove | BPF_K, BPF_REG_0, 0, 0, 1},
        {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
    };
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_CGROUP_INET4_BIND);
    return Fd(bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "bp_cookie", "GPL", program,
                            std::size(program), &options));
}

} // namespace

std::uint64_t netns_cookie_by_program() {
    auto cgroup = cgroup_of_process(getpid());
    if (!cgroup) return 0;
    auto directory = open_directory(*cgroup);
    Fd map(
        bpf_map_create(BPF_MAP_TYPE_ARRAY, "bp_cookie", sizeof(__u32), sizeof(__u64), 1, nullptr));
    Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    std::uint64_t socket_cookie = 0;
    socklen_t size = sizeof(socket_cookie);
    if (!directory || !map || !socket ||
        getsockopt(socket.get(), SOL_SOCKET, SO_COOKIE, &socket_cookie, &size) != 0)
        return 0;
    Fd program = load_observer(map, socket_cookie);
    if (!program) return 0;
    Fd link(bpf_link_create(program.get(), directory->get(), BPF_CGROUP_INET4_BIND, nullptr));
    if (!link) return 0;
    sockaddr_in any{};
    any.sin_family = AF_INET;
    auto* address = reinterpret_cast<const sockaddr*>(&any);
    if (::bind(socket.get(), address, sizeof(any)) != 0) return 0;
    std::uint32_t zero = 0;
    std::uint64_t cookie = 0;
    return bpf_map_lookup_elem(map.get(), &zero, &cookie) == 0 ? cookie : 0;
}

} // namespace bpfport
