// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What is wrong with a policy as a whole, whatever the host is: entries that contradict each other, of one
// file or of several, and options that don't go together. Both places are named.
#pragma once

#include <vector>

#include "config/host_policy.hpp"

namespace bpfport {

// In the order of the entries.
std::vector<SourceError> check_policy(const HostPolicy& policy);

} // namespace bpfport
