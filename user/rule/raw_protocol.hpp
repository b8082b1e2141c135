// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A protocol's number in the structs that programs and loader share (enum bp_proto).
#pragma once

#include <cstdint>

#include "bpfport/table.h"
#include "rule/rule.hpp"

namespace bpfport {

constexpr std::uint8_t raw_protocol(Protocol protocol) {
    return protocol == Protocol::kTcp ? BP_TCP : BP_UDP;
}

constexpr Protocol protocol_of(std::uint8_t raw) {
    return raw == BP_UDP ? Protocol::kUdp : Protocol::kTcp;
}

} // namespace bpfport
