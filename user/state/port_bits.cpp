// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/port_bits.hpp"

#include <sys/mman.h>

#include <atomic>

namespace bpfport {

void PortBits::Unmap::operator()(bp_ports* ports) const { munmap(ports, sizeof(bp_ports)); }

Result<PortBits> PortBits::open(const Fd& map) {
    void* memory =
        mmap(nullptr, sizeof(bp_ports), PROT_READ | PROT_WRITE, MAP_SHARED, map.get(), 0);
    if (memory == MAP_FAILED) return system_error("map the port bits");
    return PortBits(static_cast<bp_ports*>(memory));
}

void PortBits::set(unsigned protocol, std::uint16_t port) {
    std::atomic_ref(ports_->bits[protocol][port / 64]).fetch_or(std::uint64_t{1} << (port % 64));
}

void PortBits::assign(const bp_ports& ports) {
    for (unsigned protocol = 0; protocol < BP_PROTOS; protocol++)
        for (unsigned word = 0; word < std::size(ports.bits[protocol]); word++)
            std::atomic_ref(ports_->bits[protocol][word]).store(ports.bits[protocol][word]);
}

} // namespace bpfport
