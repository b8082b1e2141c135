// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The packet filters of the current network namespace, asked of their own programs.
#pragma once

#include <string>

#include "firewall/firewall.hpp"

namespace bpfport {

struct FirewallReading {
    Firewall firewall;
    std::string unreadable; // why a part could not be read, which is never guessed; empty: all was
};

// nft, iptables of both variants, ip6tables. Runs no program where the kernel has no tables.
FirewallReading read_firewall();

} // namespace bpfport
