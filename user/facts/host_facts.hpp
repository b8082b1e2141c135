// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// HostFacts: what a command must know of the host's network namespace, read once and handed on as a
// value.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "kernel/netlink.hpp"
#include "kernel/sock_diag.hpp"
#include "rule/port.hpp"

namespace bpfport {

struct Listener {
    Socket socket;
    std::string process; // "nginx (pid 812, user root)"; empty: unknown

    [[nodiscard]] std::string to_string() const; // "nginx (pid 812, user root) on 0.0.0.0:80"
};

// What this host can do of sklookup, found by doing it (engine/sklookup_object.hpp). The default
// value: nothing.
struct SklookupSupport {
    bool usable = false;
    std::string why_not =
        "not looked for";     // usable: why not its getsockname(2) (sockname.hpp), or empty
    bool has_ifindex = false; // rules may be limited to an interface (5.17+)
};

struct HostFacts {
    std::vector<Interface> interfaces;
    std::vector<Listener> listeners; // of both protocols
    PortRange ephemeral;
    PortList reserved;
    SklookupSupport sklookup; // filled in by commands that attach: to probe it takes privileges
};
// Of the current netns. Naming the listeners' processes walks all of /proc.
enum class Owners { kName, kSkip };
Result<HostFacts> host_facts(Owners owners = Owners::kName);

std::string scope_name(unsigned ifindex, const std::vector<Interface>& interfaces); // eth0, any

} // namespace bpfport
