// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <netinet/in.h>

#include "net/conformance/stage.hpp"

namespace bpfport::test {

TcpPeer::TcpPeer(Stage& stage, std::uint16_t port) : TcpPeer(stage, port, stage.new_port(), 1000) {}

TcpPeer::TcpPeer(Stage& stage, std::uint16_t port, std::uint16_t client_port, std::uint32_t isn)
    : stage_(stage), port_(port), client_port_(client_port), seq_(isn), network_(stage.network()) {
    stage_.asks(client_port_, port_);
}

TcpPeer::~TcpPeer() {
    if (!over_) reset();
}

Tcp TcpPeer::segment(std::uint8_t flags) const {
    return {.sport = client_port_,
            .dport = port_,
            .seq = seq_,
            .ack = (flags & kAck) != 0 ? ack_ : 0,
            .flags = flags,
            .window = 64000};
}

void TcpPeer::slip(const Tcp& tcp, const std::string& data) const {
    stage_.send(stage_.ethernet() / network_ / tcp / Payload(data));
}

void TcpPeer::send(const Tcp& tcp, const std::string& data) {
    slip(tcp, data);
    over_ = (tcp.flags & kRst) != 0;
    seq_ += static_cast<std::uint32_t>(data.size()) + ((tcp.flags & (kSyn | kFin)) != 0 ? 1 : 0);
}

bool TcpPeer::hear(const FrameFilter& wanted) {
    const auto mine = [&](const Captured& frame) {
        return frame.view.packet->protocol == IPPROTO_TCP &&
               frame.view.packet->dport == client_port_ && frame.view.packet->sport == port_;
    };
    const auto heard = stage_.hear([&](const Captured& frame) {
        if (!mine(frame)) return false;
        advance(frame);
        return wanted(frame);
    });
    return heard.has_value();
}

// Acknowledges what came in order.
void TcpPeer::advance(const Captured& frame) {
    const std::uint8_t flags = tcp_flags(frame);
    if ((flags & kRst) != 0) over_ = true;
    if ((flags & kSyn) != 0) ack_ = sequence_of(frame);
    if (sequence_of(frame) != ack_ || (flags & kRst) != 0) return;
    heard_ += data_size(frame);
    ack_ += static_cast<std::uint32_t>(data_size(frame)) + ((flags & (kSyn | kFin)) != 0 ? 1 : 0);
}

bool TcpPeer::hear(std::uint8_t flags) {
    return hear([&](const Captured& frame) {
        const std::uint8_t kind = tcp_flags(frame);
        return flags == kAck ? kind == kAck && data_size(frame) == 0
                             : (kind & (kSyn | kFin | kRst)) == flags;
    });
}

bool TcpPeer::hear_bytes(std::size_t bytes) {
    const std::size_t until = heard_ + bytes;
    return hear([&](const Captured&) { return heard_ >= until; });
}

// The server's clock decides when: a fifth of a second after the first time, and so on.
bool TcpPeer::hear_again(std::size_t bytes) {
    for (int tries = 0; tries < 150; ++tries)
        if (hear([&](const Captured& frame) { return data_size(frame) == bytes; })) return true;
    return false;
}

bool TcpPeer::hear_answer() {
    return hear([](const Captured&) { return true; });
}

bool TcpPeer::open(const Tcp& syn) {
    const std::size_t before = stage_.program().accepted();
    send(syn);
    if (!hear(kSyn)) return false;
    acknowledge();
    if (!stage_.program().has_accepted(before + 1)) stage_.note("it was not accepted");
    return !over_;
}

bool TcpPeer::ask(const std::string& line) {
    const std::string whole = line + "\n";
    say(line);
    const bool heard = hear_bytes(whole.size());
    acknowledge();
    return heard;
}

void TcpPeer::reset() { send(segment(kRst | kAck)); }

} // namespace bpfport::test
