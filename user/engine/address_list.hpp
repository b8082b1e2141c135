// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The list of this host's addresses that the programs read (bp_addresses in bpf/lib/rules.h): whose
// rules a local client of an address takes, and what is the host's where a container shares a
// device. Read from the kernel anew by each command.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "kernel/netlink.hpp"
#include "rule/conflict.hpp"
#include "state/table.hpp"

namespace bpfport {

// For each address the interface whose rules its local clients take; 0: those of every interface.
// Clients come to an interface's address by that interface. To an address of lo or of a dummy device
// they come by any, so it has no interface's rules, unless there are rules of that device itself.
std::map<Address, std::uint32_t> address_owners(std::span<const InterfaceAddress> addresses,
                                                std::span<const Interface> interfaces,
                                                std::span<const RuleSpec> rules);

// Makes the map hold these. A lookup never misses an address that stays. A map that is full takes
// what it can: the warning says how many it has not taken.
Result<std::vector<Warning>> write_addresses(const Fd& map,
                                             const std::map<Address, std::uint32_t>& owners);

} // namespace bpfport
