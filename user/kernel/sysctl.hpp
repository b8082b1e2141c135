// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Sysctls of the current network namespace. /proc/sys/net shows the namespace of the thread that
// opens the file (unlike /proc/net, which is bound to the process's first thread), so nothing is
// cached here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "rule/port.hpp"

namespace bpfport {

// The kernel takes source ports for outgoing connections from here ...
Result<PortRange> local_port_range();
// ... but not these.
Result<PortList> reserved_ports();

// "ipv4/ip_local_port_range", below /proc/sys/net; without the final newline.
Result<std::string> read_net_sysctl(std::string_view name);

// The parser: "32768\t60999".
std::optional<PortRange> parse_port_range(std::string_view text);

} // namespace bpfport
