// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "stats/collect.hpp"

#include "stats/cgroup_rules.hpp"

namespace bpfport {

Result<void> collect_netns(Metrics& metrics, const Store& store, const Metrics::Labels& place) {
    auto snapshot = take_snapshot(store, Owners::kSkip);
    if (!snapshot) return std::unexpected(snapshot.error());
    auto cgroups = take_cgroup_snapshot(store, Owners::kSkip);
    if (!cgroups) return std::unexpected(cgroups.error());
    if (*snapshot) {
        add_denials(*cgroups, (*snapshot)->rules);
        metrics.add(**snapshot, place);
    }
    metrics.add_cgroup_rules(*cgroups, place);
    return {};
}

Result<void> collect_grants(Metrics& metrics, const Store& store) {
    auto cgroups = take_cgroup_snapshot(store, Owners::kSkip);
    if (!cgroups) return std::unexpected(cgroups.error());
    metrics.add_grants(*cgroups);
    return {};
}

} // namespace bpfport
