// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The bit for each port that the root cgroup's programs look at first (bp_port_bitmap), mapped into this
// process. A bit is set before what it stands for is there, and cleared after that is gone.
#pragma once

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpfport/root_cgroup.h"
#include "kernel/map.hpp"

namespace bpfport {

class PortBits {
  public:
    static Result<PortBits> open(const Fd& map);

    void set(unsigned protocol, std::uint16_t port);
    // Exactly these.
    void assign(const bp_port_bitmap& ports);

  private:
    explicit PortBits(Mapped<bp_port_bitmap> ports) : ports_(std::move(ports)) {}
    Mapped<bp_port_bitmap> ports_;
};

inline void set_port(bp_port_bitmap& ports, unsigned protocol, std::uint16_t port) {
    ports.bits[protocol][port / 64] |= std::uint64_t{1} << (port % 64);
}

} // namespace bpfport
