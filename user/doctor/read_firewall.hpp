// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The packet filters of the current network namespace, asked of their own programs.
#pragma once

#include "doctor/finding.hpp"
#include "doctor/firewall.hpp"

namespace bpfport {

// nft, iptables of both variants, ip6tables. What can't be read is said in `findings`, never
// guessed.
Firewall read_firewall(Findings& findings);

} // namespace bpfport
