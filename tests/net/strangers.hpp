// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Any number of clients that don't exist: frames put into the server's receive path, each from
// another address and port, millions a second; and, if wanted, a responder on the client's
// interface that acknowledges what the server answers them.
#pragma once

#include <cstdint>
#include <memory>

#include "harness/topology.hpp"

struct flood_bpf;
struct responder_bpf;

namespace bpfport::test {

struct StrangersSay {
    bool ipv6 = false;
    bool udp = false;
    std::uint16_t port = 80;   // of the server
    std::uint8_t flags = kSyn; // TCP
    bool acknowledges = false; // each sends its SYN, then an ACK of nothing it was sent
};

// Needs live frames (Linux 5.18).
class Strangers {
  public:
    // The server's default route is to them, by the client's host. Throws std::runtime_error.
    Strangers(const ClientServer& net, const StrangersSay& what);
    ~Strangers();

    void send(std::uint32_t count); // frames, going on from the last stranger; throws
    // The source of the nth frame (without `acknowledges`).
    [[nodiscard]] Endpoint stranger(std::uint32_t n) const;

  private:
    const ClientServer& net_;
    StrangersSay what_;
    std::unique_ptr<flood_bpf, void (*)(flood_bpf*)> program_;
    std::uint64_t sent_ = 0;
};

class Responder {
  public:
    explicit Responder(const ClientServer& net, std::uint16_t listen_port = 80,
                       std::uint16_t target_port = 3000); // throws std::runtime_error
    ~Responder();

    struct Heard {
        std::uint64_t handshakes; // SYN-ACKs from the listen port
        std::uint64_t answers;    // data from the listen port
        std::uint64_t from_target;
        std::uint64_t resets;
    };
    [[nodiscard]] Heard heard() const;

  private:
    std::unique_ptr<responder_bpf, void (*)(responder_bpf*)> program_;
};

} // namespace bpfport::test
