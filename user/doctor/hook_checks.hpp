// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What else handles our packets: other tc and XDP programs, and what the device does.
#pragma once

#include "doctor/finding.hpp"
#include "doctor/rule_checks.hpp"

namespace bpfport {

void check_hooks(const Store& store, const Snapshot& snapshot, const NetworkFacts& facts,
                 Findings& findings);

} // namespace bpfport
