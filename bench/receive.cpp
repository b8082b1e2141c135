// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What redirecting costs on the receive path: one flow of small UDP datagrams into a veth, one core,
// up to the server's socket. Direct to the target port, by tc, by xdp, and by what a user would
// take instead (nft redirect, with its conntrack). Rounds alternate, so that a busy moment of the
// machine meets all; the median counts.
//
//     receive_bench [FRAMES [ROUNDS]]        as root; default: 1000000 and 5
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>

#include "harness/bpfport.hpp"
#include "harness/process.hpp"
#include "harness/sockets.hpp"
#include "harness/topology.hpp"
#include "inject.skel.h"

namespace bpfport::test {
namespace {

#ifndef BPF_F_TEST_XDP_LIVE_FRAMES
#define BPF_F_TEST_XDP_LIVE_FRAMES (1U << 1)
#endif

struct Way {
    const char* name;
    std::uint16_t port;
    std::vector<std::vector<std::string>> set_up; // in the server's namespace
};

std::vector<Way> ways() {
    const auto attach = [](const char* engine) {
        return std::vector<std::vector<std::string>>{
            bpfport_command({"attach", "eth0", "80:3000/udp", "--engine", engine})};
    };
    return {{"direct", 3000, {}},
            {"tc", 80, attach("tc")},
            {"xdp", 80, attach("xdp")},
            {"nft",
             80,
             {{"nft", "add", "table", "ip", "t"},
              {"nft", "add chain ip t c { type nat hook prerouting priority -100 ; }"},
              {"nft", "add rule ip t c udp dport 80 redirect to :3000"}}}};
}

// Datagrams that have come to a socket of the namespace, whether it could take them or not.
std::uint64_t arrived(const Netns& netns) {
    return netns.run([] {
        std::ifstream file("/proc/thread-self/net/snmp");
        std::uint64_t taken = 0, no_ports = 0, errors = 0;
        for (std::string line; std::getline(file, line);)
            if (std::istringstream in(line); line.starts_with("Udp: ") && std::isdigit(line[5])) {
                in.ignore(5);
                in >> taken >> no_ports >> errors;
            }
        return taken + errors;
    });
}

struct Outcome {
    double nanoseconds = 0; // for a datagram
    double share = 0;       // that reached the socket
};

Outcome measure(const Way& way, std::uint32_t frames) {
    const ClientServer net(false);
    // NAPI: how a veth takes frames that have no skb yet.
    if (run({"ethtool", "-K", "eth0", "gro", "on"}, {.netns = &net.server}).status != 0)
        throw std::runtime_error("ethtool -K eth0 gro on failed");
    auto socket =
        open_socket(net.server, AF_INET, SOCK_DGRAM, {.source = Endpoint{"0.0.0.0", 3000}});
    if (!socket) throw std::runtime_error(socket.error().message);
    for (const auto& command : way.set_up)
        if (const auto done = run(command, {.netns = &net.server}); done.status != 0)
            throw std::runtime_error(command.front() + ": " + done.err);

    const Bytes frame = (Ethernet{.dst = net.link.b.mac(), .src = net.link.a.mac()} /
                         Ipv4{.src = ClientServer::client_address(false),
                              .dst = ClientServer::server_address(false)} /
                         Udp{.sport = 4001, .dport = way.port} / Payload(18))
                            .build();
    const std::unique_ptr<inject_bpf, void (*)(inject_bpf*)> inject(inject_bpf::open(),
                                                                    inject_bpf::destroy);
    inject->rodata->out_ifindex = net.link.a.index();
    inject->rodata->port = htons(way.port);
    std::copy_n(frame.begin() + 40, 2,
                reinterpret_cast<std::uint8_t*>(const_cast<__u16*>(&inject->rodata->checksum)));
    if (inject_bpf::load(inject.get()) != 0) throw std::runtime_error("load the source");

    xdp_md context{};
    context.data_end = static_cast<std::uint32_t>(frame.size());
    context.ingress_ifindex = net.link.a.index();
    LIBBPF_OPTS(bpf_test_run_opts, options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<std::uint32_t>(frame.size());
    options.ctx_in = &context;
    options.ctx_size_in = sizeof(context);
    options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
    options.batch_size = 64;
    const auto inject_frames = [&](std::uint32_t count) {
        options.repeat = static_cast<int>(count);
        const int error = net.client.run([&] {
            return bpf_prog_test_run_opts(bpf_program__fd(inject->progs.bp_inject), &options);
        });
        if (error != 0) throw std::runtime_error(fmt::format("inject: {}", error_text(-error)));
    };
    inject_frames(10000); // the flow is known, the pages are warm
    const auto before = arrived(net.server);
    const auto start = std::chrono::steady_clock::now();
    inject_frames(frames);
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    return {took.count() / frames, static_cast<double>(arrived(net.server) - before) / frames};
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

void stay_on_one_core() {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof(one), &one);
}

int bench(std::uint32_t frames, int rounds) {
    require_bpffs();
    stay_on_one_core();
    std::vector<Way> all = ways();
    if (!have_program("nft")) all.pop_back();
    std::vector<std::vector<double>> took(all.size());
    std::vector<double> share(all.size(), 1);
    for (int round = 0; round < rounds; round++)
        for (std::size_t i = 0; i < all.size(); i++) {
            const Outcome one = measure(all[i], frames);
            took[i].push_back(one.nanoseconds);
            share[i] = std::min(share[i], one.share);
        }
    fmt::print("{:<8}{:>14}{:>14}{:>14}{:>12}\n", "", "ns/datagram", "datagrams/s", "best ns",
               "arrived");
    for (std::size_t i = 0; i < all.size(); i++)
        fmt::print("{:<8}{:>14.0f}{:>14.0f}{:>14.0f}{:>11.1f}%\n", all[i].name, median(took[i]),
                   1e9 / median(took[i]), *std::ranges::min_element(took[i]), share[i] * 100);
    return 0;
}

} // namespace
} // namespace bpfport::test

int main(int argc, char** argv) {
    try {
        return bpfport::test::bench(
            argc > 1 ? static_cast<std::uint32_t>(std::strtoul(argv[1], nullptr, 10)) : 1000000,
            argc > 2 ? std::atoi(argv[2]) : 5);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "receive_bench: %s\n", error.what());
        return 1;
    }
}
