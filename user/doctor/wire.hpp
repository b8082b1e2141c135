// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Frames of our own on an interface: put into its receive path, and seen where they leave.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "trace/frame.hpp"

namespace bpfport {

// Puts frames into the receive path of an interface, behind its driver: the live frames of
// BPF_PROG_TEST_RUN (5.18), passed by a program that does nothing.
class Injector {
  public:
    static Result<Injector> open(unsigned ifindex);
    [[nodiscard]] Result<void> send(Frame frame) const;

  private:
    Injector(Fd program, unsigned ifindex) : program_(std::move(program)), ifindex_(ifindex) {}
    Fd program_;
    unsigned ifindex_;
};

// What leaves an interface, behind tc.
class Tap {
  public:
    static Result<Tap> open(unsigned ifindex);

    // The first packet that leaves for the client: one to its port, or ICMP.
    [[nodiscard]] std::optional<FrameView> answer(const Address& client, std::uint16_t port,
                                                  std::chrono::milliseconds patience) const;

  private:
    explicit Tap(Fd socket) : socket_(std::move(socket)) {}
    Fd socket_;
};

} // namespace bpfport
