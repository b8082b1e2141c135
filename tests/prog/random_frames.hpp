// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Random frames: most are packets of a few conversations in every shape, and many of those are then
// damaged. The same seed gives the same frames.
#pragma once

#include <cstdint>
#include <random>

#include "harness/bytes.hpp"
#include "harness/packet.hpp"

namespace bpfport::test {

class RandomFrames {
  public:
    explicit RandomFrames(std::uint64_t seed) : random_(seed) {}

    Bytes next();
    bool coin() { return below(2) == 0; }
    std::size_t below(std::size_t limit) { return random_() % limit; }

  private:
    template <typename T, std::size_t N> T one_of(const T (&values)[N]) { return values[below(N)]; }
    std::uint16_t port();
    Packet tags();
    Packet network(bool ipv6, bool out);
    Packet transport(bool udp);
    Packet datagram(bool ipv6, bool out);
    Packet error(bool ipv6, bool out);
    void damage(Bytes& frame);

    std::mt19937_64 random_;
};

} // namespace bpfport::test
