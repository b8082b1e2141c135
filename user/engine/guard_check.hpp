// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Guard check: whether ports can be guarded. The guard is a bind hook, so nobody but the owner may
// have bound such a port before, and none may be one that sockets get without a bind of it.
#pragma once

#include <vector>

#include "base/error.hpp"
#include "engine/guard.hpp"

namespace bpfport {

// Before anything is changed.
Result<void> check_guard(const GuardRequest& request, const std::vector<Rule>& rules,
                         const HostFacts& facts);

// No socket on the rules' target ports, in whatever state, is another's.
Result<void> check_holders(const Owner& owner, const std::vector<Rule>& rules);

} // namespace bpfport
