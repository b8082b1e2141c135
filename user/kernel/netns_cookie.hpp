// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What bpf_get_netns_cookie() calls the current network namespace, as a program tells it: for
// kernels that tell programs (5.7) but not processes (before 5.14).
#pragma once

#include <cstdint>

namespace bpfport {

// Looks on, in this process's cgroup and for a moment, as this thread binds a socket. 0 when that
// can't be done.
std::uint64_t netns_cookie_by_program();

} // namespace bpfport
