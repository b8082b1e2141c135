// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/netns_identity.hpp"

#include "kernel/netns.hpp"

namespace bpfport {

bool is_of_this_netns(const Instance& instance) {
    const auto then = instance.meta().netns_cookie;
    if (then == 0) return true;
    const auto now = current_netns_cookie();
    return now == 0 || now == then;
}

} // namespace bpfport
