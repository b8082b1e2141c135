// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What a network namespace looks like around the rules: devices, addresses, packet filters,
// IPsec.
#pragma once

#include <vector>

#include "firewall/firewall.hpp"
#include "firewall/ipsec.hpp"
#include "kernel/netlink.hpp"
#include "rule/prefix.hpp"

namespace bpfport {

struct NetworkView {
    std::vector<Interface> interfaces;
    std::vector<InterfaceAddress> addresses;
    std::vector<Prefix> local_prefixes; // local by routing: those addresses, and AnyIP
    Firewall firewall;
    std::vector<IpsecPolicy> ipsec;
};

} // namespace bpfport
