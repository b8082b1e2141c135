// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/port_bits.hpp"

#include <atomic>

namespace bpfport {

Result<PortBits> PortBits::open(const Fd& map) {
    auto ports = Mapped<bp_port_bitmap>::open(map, Mapping::kWritable, "the port bits");
    if (!ports) return std::unexpected(ports.error());
    return PortBits(std::move(*ports));
}

void PortBits::set(unsigned protocol, std::uint16_t port) {
    std::atomic_ref(ports_->bits[protocol][port / 64]).fetch_or(std::uint64_t{1} << (port % 64));
}

void PortBits::assign(const bp_port_bitmap& ports) {
    for (unsigned protocol = 0; protocol < BP_PROTOS; protocol++)
        for (unsigned word = 0; word < std::size(ports.bits[protocol]); word++)
            std::atomic_ref(ports_->bits[protocol][word]).store(ports.bits[protocol][word]);
}

} // namespace bpfport
