// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// ApplyGuards: which ports the policy keeps for an owner, or for nobody, against those that are kept.
#pragma once

#include <deque>
#include <vector>

#include "base/error.hpp"
#include "cli/apply_cgroup.hpp"
#include "cli/apply_line.hpp"
#include "cli/apply_netns.hpp"
#include "engine/guard.hpp"

namespace bpfport {

class ApplyGuards {
  public:
    // What it is given outlives it.
    static Result<ApplyGuards> plan(const Store& store, const std::deque<ApplyNetns>& netns,
                                    const ApplyCgroups& cgroups);

    void add_lines(ApplyLines& lines) const;
    // Notes the steps and their undoing; to be called before those of rules. This outlives commit().
    void put(Change& change);

    void add_before(BeforeApply& before) const { before.guards = before_; }

  private:
    struct Put {
        const ApplyNetns* netns;
        const StagedEntry* entry;
        GuardedRules rules;
    };
    Result<void> want(const ApplyNetns& netns, const ApplyCgroups& cgroups);
    void sort_out(const ApplyNetns& netns, const ApplyCgroups& cgroups,
                  const std::vector<Rule>& rules);

    std::vector<Guard> before_, wanted_, removed_; // before_: of all network namespaces
    std::vector<Put> puts_;
};

} // namespace bpfport
