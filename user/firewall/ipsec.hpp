// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// IPsec policies (xfrm) of the current network namespace that transform what this host sends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "rule/port.hpp"
#include "rule/prefix.hpp"

namespace bpfport {

struct IpsecPolicy {
    Prefix from, to;
    std::optional<std::uint8_t> protocol; // IPPROTO_*; nullopt: any
    std::uint16_t port = 0;               // of the sender, where `port_mask` has a bit
    std::uint16_t port_mask = 0;          // 0: any
    unsigned ifindex = 0;                 // of departure; 0: any
    const char* mode = "";                // transport, tunnel, BEET

    [[nodiscard]] bool covers(PortRange ports) const;
};

// Those of an xfrm interface are left out: its packets are plain where programs see them. None as
// well when the kernel has no xfrm.
std::vector<IpsecPolicy> ipsec_policies();

// The parser: XFRM_MSG_NEWPOLICY messages; others and malformed ones are skipped.
std::vector<IpsecPolicy> parse_policies(std::span<const std::byte> messages);

} // namespace bpfport
