// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Frames into a veth as from a wire, without sockets on this side: BPF_PROG_TEST_RUN with live frames.
//
//     bench_inject udp|syn IFNAME MAC SOURCE DESTINATION PORT FRAMES PORTS ADDRESSES [RATE]
//
// PORTS source ports of each of ADDRESSES addresses from SOURCE on take turns. FRAMES 0: without end.
// RATE: frames a second, sent every millisecond; 0: as fast as they are taken. Prints nanoseconds a frame.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "inject.skel.h"

namespace {

#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1U << 1)
#endif

using Clock = std::chrono::steady_clock;

std::uint32_t sum(std::span<const std::uint8_t> bytes) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += bytes[i] << 8 | bytes[i + 1];
    return sum;
}

std::uint32_t folded(std::uint32_t sum) { // room for what the program adds
    return (sum & 0xffff) + (sum >> 16);
}

in_addr address(const char* text) {
    in_addr parsed{};
    if (inet_pton(AF_INET, text, &parsed) != 1)
        throw std::runtime_error(std::string(text) + " is no IPv4 address");
    return parsed;
}

struct Frame {
    std::vector<std::uint8_t> bytes;
    std::uint32_t ip_sum = 0, l4_sum = 0, l4_check_at = 0;
};

// Source address, source port and checksums are left to the program.
Frame make_frame(bool syn, const char* mac, in_addr destination, std::uint16_t port) {
    const std::size_t l4_length = syn ? sizeof(tcphdr) : sizeof(udphdr) + 18;
    Frame frame;
    frame.bytes.resize(sizeof(ether_header) + sizeof(iphdr) + l4_length);
    ether_header ethernet{};
    if (const ether_addr* parsed = ether_aton(mac))
        std::memcpy(ethernet.ether_dhost, parsed, sizeof(*parsed));
    ethernet.ether_shost[0] = 2;
    ethernet.ether_type = htons(ETHERTYPE_IP);
    iphdr ip{};
    ip.version = 4;
    ip.ihl = 5;
    ip.tot_len = htons(static_cast<std::uint16_t>(sizeof(ip) + l4_length));
    ip.ttl = 64;
    ip.protocol = syn ? IPPROTO_TCP : IPPROTO_UDP;
    ip.daddr = destination.s_addr;
    std::uint8_t* at = frame.bytes.data();
    std::memcpy(at, &ethernet, sizeof(ethernet));
    std::memcpy(at + sizeof(ethernet), &ip, sizeof(ip));
    std::uint8_t* l4 = at + sizeof(ethernet) + sizeof(ip);
    if (syn) {
        tcphdr tcp{};
        tcp.dest = htons(port);
        tcp.doff = 5;
        tcp.syn = 1;
        tcp.window = htons(65000);
        std::memcpy(l4, &tcp, sizeof(tcp));
    } else {
        udphdr udp{};
        udp.dest = htons(port);
        udp.len = htons(static_cast<std::uint16_t>(l4_length));
        std::memcpy(l4, &udp, sizeof(udp));
    }
    const std::span all(frame.bytes);
    frame.ip_sum = folded(sum(all.subspan(sizeof(ethernet), sizeof(ip))));
    const std::uint32_t pseudo = sum(all.subspan(sizeof(ethernet) + 16, 4)) + ip.protocol +
                                 static_cast<std::uint32_t>(l4_length);
    frame.l4_sum = folded(pseudo + sum(all.subspan(sizeof(ethernet) + sizeof(ip))));
    frame.l4_check_at = syn ? 16 : 6;
    return frame;
}

using Program = std::unique_ptr<inject_bpf, void (*)(inject_bpf*)>;

void inject(const Program& program, std::uint32_t ifindex, Frame& frame, std::uint64_t count) {
    xdp_md context{};
    context.data_end = static_cast<std::uint32_t>(frame.bytes.size());
    context.ingress_ifindex = ifindex;
    LIBBPF_OPTS(bpf_test_run_opts, options);
    options.data_in = frame.bytes.data();
    options.data_size_in = context.data_end;
    options.ctx_in = &context;
    options.ctx_size_in = sizeof(context);
    options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
    options.batch_size = 64;
    options.repeat = static_cast<int>(count);
    if (bpf_prog_test_run_opts(bpf_program__fd(program->progs.bp_inject), &options) != 0)
        throw std::runtime_error("BPF_PROG_TEST_RUN failed");
}

int run(std::span<char*> args) {
    if (args.size() < 9) throw std::runtime_error("arguments: see the source");
    const bool syn = std::string(args[0]) == "syn";
    const std::uint32_t ifindex = if_nametoindex(args[1]);
    if (ifindex == 0) throw std::runtime_error(std::string("no interface ") + args[1]);
    const auto number = [&](std::size_t i) { return std::strtoull(args[i], nullptr, 10); };
    const auto port = static_cast<std::uint16_t>(number(5));
    Frame frame = make_frame(syn, args[2], address(args[4]), port);

    const Program program(inject_bpf::open(), inject_bpf::destroy);
    if (!program) throw std::runtime_error("the program can't be opened");
    program->rodata->out_ifindex = ifindex;
    program->rodata->port = htons(port);
    program->rodata->first = 2000;
    program->rodata->ports = static_cast<std::uint32_t>(number(7));
    program->rodata->address = ntohl(address(args[3]).s_addr);
    program->rodata->addresses = static_cast<std::uint32_t>(number(8));
    program->rodata->ip_sum = frame.ip_sum;
    program->rodata->l4_sum = frame.l4_sum;
    program->rodata->l4_check_at = frame.l4_check_at;
    if (inject_bpf::load(program.get()) != 0)
        throw std::runtime_error("the program can't be loaded");

    const std::uint64_t frames = number(6), rate = args.size() > 9 ? number(9) : 0;
    const std::uint64_t batch = rate ? std::max<std::uint64_t>(rate / 1000, 1) : frames;
    const auto start = Clock::now();
    auto next = start;
    for (std::uint64_t done = 0; frames == 0 || done < frames; done += batch) {
        inject(program, ifindex, frame, frames ? std::min(batch, frames - done) : batch);
        if (!rate) continue;
        next += std::chrono::milliseconds(1);
        std::this_thread::sleep_until(next);
    }
    const std::chrono::duration<double, std::nano> took = Clock::now() - start;
    std::printf("%.1f\n", took.count() / static_cast<double>(frames));
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    try {
        return run(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "bench_inject: %s\n", error.what());
        return 1;
    }
}
