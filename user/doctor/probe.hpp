// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Probe: a real packet through each rule, and what came back. Every finding names the path that was
// tested, and nothing more is claimed:
//
//   lo     a connection from this host to its own address: never crosses the interface.
//   eth0   a SYN or an empty datagram of a made-up client, put into the interface's receive path
//          behind its driver (live frames of BPF_PROG_TEST_RUN, 5.18): generic XDP, tc, firewall,
//          routing and the socket see it like any other. The answer is looked for where packets
//          leave the interface, behind tc; it goes out, to an address that nobody has.
#pragma once

#include "doctor/finding.hpp"
#include "doctor/rule_checks.hpp"

namespace bpfport {

void probe_rules(const Snapshot& snapshot, const NetworkFacts& facts, Findings& findings);

} // namespace bpfport
