// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/watch.hpp"

#include "stats/cgroup_rules.hpp"

namespace bpfport {

Result<Sample> take_sample(const Session& session) {
    auto store = open_for_reading(session);
    if (!store) return std::unexpected(store.error());
    auto snapshot = take_snapshot(*store, Owners::kSkip);
    if (!snapshot) return std::unexpected(snapshot.error());
    auto cgroups = take_cgroup_snapshot(*store, Owners::kSkip);
    if (!cgroups) return std::unexpected(cgroups.error());
    auto rules = rules_here(*cgroups);
    if (!rules.empty() && !*snapshot) snapshot->emplace();
    if (*snapshot) {
        auto& all = (*snapshot)->rules;
        all.insert(all.end(), rules.begin(), rules.end());
        add_denials(*cgroups, all);
    }
    return Sample{std::move(*snapshot), std::chrono::steady_clock::now()};
}

} // namespace bpfport
