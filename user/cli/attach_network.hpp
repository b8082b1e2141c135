// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What attach looks at around its rules: NAT that gives their ports away, devices where they would
// see no packets, clients that they don't serve.
#pragma once

#include <string>
#include <vector>

#include "cli/session.hpp"
#include "engine/plan.hpp"
#include "facts/network_view.hpp"
#include "firewall/read_firewall.hpp"

namespace bpfport {

// What of the packet filters could not be read becomes a warning of the plan.
Result<NetworkView> look_around(const HostFacts& facts, const FirewallReading& reading, Plan& plan);
Result<void> check_network(const AttachRequest& request, const Plan& plan, const HostFacts& facts,
                           const NetworkView& network);
// What is to be known of new rules.
std::vector<Warning> network_warnings(const Plan& plan, const HostFacts& facts,
                                      const NetworkView& network);
std::string network_note(const Plan& plan, const NetworkView& network); // empty: nothing
void print_network(const Session& session, const Plan& plan, const HostFacts& facts,
                   const NetworkView& network);

} // namespace bpfport
