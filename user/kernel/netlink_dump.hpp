// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// One netlink dump: send a request, gather every message of the answer. Callers parse the bytes
// with pure functions, so that the parsers can be tested and fuzzed without a kernel.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include <linux/netlink.h>

#include "base/error.hpp"

namespace bpfport {

// `request` gets NLM_F_REQUEST | NLM_F_DUMP. A dump that the kernel marks as inconsistent
// (something changed meanwhile) is asked for again. `what` names it in errors: "list interfaces".
Result<std::vector<std::byte>> netlink_dump(int bus, nlmsghdr* request, std::string_view what);

// Calls back for each well-formed message. `messages` is 4-byte aligned.
void for_each_message(std::span<const std::byte> messages,
                      const std::function<void(const nlmsghdr*)>& visit);

} // namespace bpfport
