// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The part of `bpfport status` that is about cgroups and guards.
#pragma once

#include <iosfwd>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "rule/scope.hpp"
#include "stats/cgroup_snapshot.hpp"

namespace bpfport {

// Only these scopes' cgroups, and then no guards. A cgroup that no longer is stands for none.
void keep_only(CgroupSnapshot& snapshot, const std::vector<Scope>& scopes);

void print_cgroups(std::ostream& out, const CgroupSnapshot& snapshot);
void add_cgroups(nlohmann::ordered_json& json, const CgroupSnapshot& snapshot);

} // namespace bpfport
