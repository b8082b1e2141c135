// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Where an XDP program attaches: a driver (native) or, after the skb is made, the stack (generic).
// An interface runs one program at most; another's is named and never replaced.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpfport/meta.h"
#include "kernel/link.hpp"
#include "kernel/netlink.hpp"

namespace bpfport {

const char* xdp_mode_name(std::uint8_t mode); // "native", by enum bp_xdp_mode; "" for none

// Refuses a mode that would break something on this kernel.
Result<void> check_xdp_mode(const Interface& interface, bp_xdp_mode mode);

// A refusal is told in the driver's words, with what to do about it.
Result<Link> attach_xdp(const Fd& program, const Interface& interface, bp_xdp_mode mode);

} // namespace bpfport
