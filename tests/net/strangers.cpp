// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "net/strangers.hpp"

#include <linux/bpf.h>

#include <stdexcept>

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "base/error.hpp"
#include "harness/test_run.hpp"

#include "flood.skel.h"
#include "responder.skel.h"

namespace bpfport::test {
namespace {

// The frame that all others are made of (flood.bpf.c).
Bytes first(const ClientServer& net, const StrangersSay& what) {
    const Packet link = Ethernet{.dst = net.link.b.mac(), .src = net.link.a.mac()};
    const Packet network =
        what.ipv6 ? Packet(Ipv6{.src = "2001:db8::1", .dst = ClientServer::server_address(true)})
                  : Packet(Ipv4{.src = "11.0.0.1", .dst = ClientServer::server_address(false)});
    if (what.udp)
        return (link / network / Udp{.sport = 1024, .dport = what.port} / Payload(20)).build();
    return (link / network / Tcp{.sport = 1024, .dport = what.port, .seq = 1, .flags = what.flags})
        .build();
}

} // namespace

Strangers::Strangers(const ClientServer& net, const StrangersSay& what)
    : net_(net), what_(what), program_(flood_bpf::open(), flood_bpf::destroy) {
    program_->rodata->ipv6 = what.ipv6;
    program_->rodata->udp = what.udp;
    program_->rodata->port = what.port;
    program_->rodata->acknowledges = what.acknowledges;
    if (flood_bpf::load(program_.get()) != 0)
        throw std::runtime_error("strangers: load: " + error_text(errno));
    net.server.ip(fmt::format("{} route replace default via {}", what.ipv6 ? "-6" : "-4",
                              ClientServer::client_address(what.ipv6).text()));
}

Strangers::~Strangers() = default;

void Strangers::send(std::uint32_t count) {
    xdp_md context{};
    context.ingress_ifindex = net_.link.b.index();
    const auto done = net_.server.run([&] {
        return test_run(bpf_program__fd(program_->progs.bp_flood), first(net_, what_),
                        {.xdp = context, .repeat = count, .flags = BPF_F_TEST_XDP_LIVE_FRAMES});
    });
    sent_ += count;
    if (!done) throw std::runtime_error("strangers: " + done.error().message);
    if (program_->bss->packets != sent_)
        throw std::runtime_error(
            fmt::format("strangers: {} frames of {}", program_->bss->packets, sent_));
}

Endpoint Strangers::stranger(std::uint32_t n) const {
    const std::uint32_t address = 0x0b000000 | ((n * 0x9e3779b1U) & 0xffffff);
    const auto port = static_cast<std::uint16_t>(1024 + n % 60000);
    Bytes bytes = what_.ipv6 ? Bytes{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0} : Bytes{};
    put32(bytes, address);
    return {Address::from_bytes(bytes), port};
}

Responder::Responder(const ClientServer& net, std::uint16_t listen_port, std::uint16_t target_port)
    : program_(responder_bpf::open(), responder_bpf::destroy) {
    program_->rodata->listen_port = listen_port;
    program_->rodata->target_port = target_port;
    if (responder_bpf::load(program_.get()) != 0)
        throw std::runtime_error("responder: load: " + error_text(errno));
    net.client.run([&] {
        LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(net.link.a.index()),
                    .attach_point = BPF_TC_INGRESS);
        LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = bpf_program__fd(program_->progs.bp_responder));
        if (bpf_tc_hook_create(&hook) != 0 || bpf_tc_attach(&hook, &options) != 0)
            throw std::runtime_error("responder: attach: " + error_text(errno));
    });
}

Responder::~Responder() = default;

Responder::Heard Responder::heard() const {
    const auto* counted = program_->bss;
    return {counted->handshakes, counted->answers, counted->from_target, counted->resets};
}

} // namespace bpfport::test
