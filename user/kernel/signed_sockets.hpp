// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Listeners that want their peers' segments signed (TCP MD5, RFC 2385; BGP uses it). A signature
// covers the ports, so a segment whose port was changed on the way is refused. The kernel
// does not report keys of TCP AO (RFC 5925).
#pragma once

#include <cstdint>
#include <set>

#include "base/error.hpp"

namespace bpfport {

// The cookies of the TCP sockets of the current network namespace that listen and have an MD5 key.
// Told to CAP_NET_ADMIN only; without it, none.
Result<std::set<std::uint64_t>> signed_listeners();

} // namespace bpfport
