// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// bpfport trace [SCOPE] --packet FILE|SPEC: what the installed programs do with a packet.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "cli/session.hpp"

namespace bpfport {

struct PacketOptions {
    std::string what; // a capture file, or "tcp 192.0.2.2:40000 > 192.0.2.1:80 S"
    bool outgoing = false;
    bool for_host = false;
};

// In the netns of the session, which the caller has entered. `words`: at most one interface.
Result<void> trace_packet(const Session& session, const std::vector<std::string>& words,
                          const PacketOptions& options);

} // namespace bpfport
