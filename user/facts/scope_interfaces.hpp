// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// ScopeInterfaces: the interfaces that the scopes of a command stand for.
#pragma once

#include <vector>

#include "base/error.hpp"
#include "kernel/netlink.hpp"
#include "rule/scope.hpp"

namespace bpfport {

// Their indexes, each once, in the order of the scopes; 0: any. A pattern stands for those of
// `interfaces` that match it now. An error: a name or a pattern that none has.
Result<std::vector<unsigned>> scope_interfaces(const std::vector<Scope>& scopes,
                                               const std::vector<Interface>& interfaces);

} // namespace bpfport
