// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// View: all that holds in one network namespace, rules of interfaces and of cgroups, and the facts of
// the host that it was judged by, from one look. status, stats, ss, top, doctor and metrics show it.
#pragma once

#include <optional>
#include <vector>

#include "stats/cgroup_snapshot.hpp"
#include "stats/snapshot.hpp"

namespace bpfport {

struct View {
    std::optional<Snapshot> interfaces; // nullopt: no interface has a rule here
    CgroupSnapshot cgroups;             // of the whole machine
    HostFacts host;

    [[nodiscard]] bool empty() const { return !interfaces && cgroups.empty(); }
    // Of interfaces, then of cgroups as far as they hold here, with the binds that guards denied.
    [[nodiscard]] std::vector<RuleView> rules() const;
};

// Of the current netns, no command changing anything meanwhile.
Result<View> take_view(const Store& store, HostFacts host);
// The same. The facts of the host are read only when something is attached.
Result<View> take_view(const Store& store, Owners owners);

} // namespace bpfport
