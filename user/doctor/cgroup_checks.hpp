// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What stands between cgroups' rules, grants and guarded ports and what they promise. Pure: the
// facts come in as values.
#pragma once

#include "doctor/finding.hpp"
#include "stats/cgroup_snapshot.hpp"

namespace bpfport {

void check_cgroups(const CgroupSnapshot& snapshot, const HostFacts& facts, Findings& findings);

} // namespace bpfport
