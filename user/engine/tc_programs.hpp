// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The tc programs of an instance: one pair, in and out, for each link layer. The pair for devices
// without a link-layer header (tun, wireguard) is loaded when the first such device needs it, since
// the verifier takes as long over it as over the other.
#pragma once

#include <span>

#include "engine/tc_object.hpp"
#include "kernel/netlink.hpp"
#include "kernel/tc_hook.hpp"
#include "state/instance.hpp"

namespace bpfport {

LinkLayer link_layer(const Interface& interface);

// The pin of the program that a device of this link layer runs.
const char* program_pin(LinkLayer layer, Direction direction);

bool has_programs(const Instance& instance, LinkLayer layer);

// Loads the pair that `layer` needs into the instance, unless it is there. Killed half-way, it has
// pinned one program or none; called again, it goes on.
Result<void> load_missing_programs(Store& store, Instance& instance, LinkLayer layer);

// Pins the present build of every pair that the instance has into `staging`; whether they write
// directly.
Result<bool> stage_programs(const std::filesystem::path& staging, const Instance& instance);

} // namespace bpfport
