// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Whether a packet that opens a connection fulfils a firewall rule's conditions.
#pragma once

#include "firewall/firewall.hpp"

namespace bpfport {

enum class Match { kNo, kMaybe, kYes };
Match match(const FirewallRule& rule, const Arrival& arrival);
bool family_matches(const FirewallChain& chain, const Arrival& arrival);

inline constexpr unsigned kDeepestJump = 16; // the kernel's own limit is as low

} // namespace bpfport
