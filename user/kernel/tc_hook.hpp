// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Where tc programs attach: tcx (6.6+), an object of its own for each attachment, or a filter on
// the clsact qdisc. Others on the hook go on working: ours is first on the way in and last on the
// way out, never flushes a hook and never deletes a qdisc.
#pragma once

#include <cstdint>
#include <optional>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "kernel/link.hpp"

namespace bpfport {

enum class Direction { kIngress, kEgress };

// Found by asking the kernel, not by its version.
bool tcx_supported();

// Whether a filter on clsact is first in and last out there, as a tcx link is: no ingress qdisc has
// its place, and nobody's programs are on tcx, which comes first.
bool clsact_is_as_good(unsigned ifindex);

Result<Link> attach_tcx(const Fd& program, unsigned ifindex, Direction direction);

// A link that passes every packet on and holds the place until it is given a program: the kernel waits a
// grace period of RCU for a new link, and none for another program in it.
Result<Link> reserve_tcx(unsigned ifindex, Direction direction);

// A filter that stays until it is removed; replaces ours when it is there already.
struct ClsactFilter {
    unsigned ifindex = 0;
    Direction direction = Direction::kIngress;
    std::uint32_t handle = 0;
    std::uint32_t priority = 0; // 1 runs first
};
Result<void> attach_clsact(const Fd& program, const ClsactFilter& filter);
Result<void> detach_clsact(const ClsactFilter& filter); // success when it is gone already

// The id of the program our filter runs; nullopt: no such filter.
std::optional<std::uint32_t> clsact_program(const ClsactFilter& filter);

} // namespace bpfport
