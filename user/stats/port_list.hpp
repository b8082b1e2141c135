// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Port list: what a client finds on each port. Real listeners and redirected ports in one list, and
// what hides what: `ss` and `netstat` show neither. Pure: the facts come in as values.
#pragma once

#include <string>
#include <vector>

#include "stats/snapshot.hpp"

namespace bpfport {

struct PortEntry {
    Protocol protocol = Protocol::kTcp;
    PortRange ports;
    std::string address; // "*", 10.1.0.2, [::1]
    std::string scope;   // eth0, any; of a listener: the interface it is bound to, or any

    // One of the two. Both point into the facts that the list was made from.
    const RuleView* rule = nullptr;
    const Listener* listener = nullptr;
    unsigned sockets = 1; // of a listener: how many share address and port (SO_REUSEPORT)

    std::vector<std::string> notes; // what hides what, what is missing
};

// By port, then protocol; a redirect before the listener that it hides. The notes are those of
// rules in force: a target without a listener, a listener behind or hidden by a rule, and rules that
// share a listen port or a target.
std::vector<PortEntry> port_list(const std::vector<RuleView>& rules,
                                 const std::vector<Listener>& listeners,
                                 const std::vector<Interface>& interfaces);

} // namespace bpfport
