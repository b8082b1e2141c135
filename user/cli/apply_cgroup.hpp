// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// ApplyCgroups: the rules and grants that a policy has for cgroups, against those in force. What belongs to
// a `bpfport run` or to a container that no file names ends with it, and is left alone.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "cli/apply_line.hpp"
#include "cli/apply_netns.hpp"
#include "cli/apply_stage.hpp"
#include "engine/cgroup_engine.hpp"

namespace bpfport {

class ApplyCgroups {
  public:
    // With the store locked. `netns`: all of the policy, planned; they outlive this.
    static Result<ApplyCgroups> plan(Store& store, const std::deque<ApplyNetns>& netns,
                                     const Prune& prune);

    void add_lines(ApplyLines& lines) const;
    // Notes the steps and their undoing. This outlives commit().
    void put(Change& change);
    // What put() changes.
    void add_before(BeforeApply& before) const;
    // Those of an entry that will be in force.
    [[nodiscard]] std::vector<Rule> rules_of(const PolicyEntry& entry) const;
    // Those of a network namespace that no file has and that stay.
    [[nodiscard]] std::vector<Rule> left_in(std::uint64_t netns_cookie) const;
    [[nodiscard]] const std::vector<Warning>& warnings() const { return warnings_; }
    // Those that the policy has and that will be in force.
    void add_owned(OwnedKeys& keys) const;

  private:
    struct Planned {
        CgroupEngine engine;
        std::string scope;
        PolicyContent before, after;
        std::vector<std::pair<const ApplyNetns*, const StagedEntry*>> entries{};
        std::vector<std::pair<const ApplyNetns*, const StagedEntry*>> skipped{};
        std::vector<PolicyRule> wanted{}, left{};
        std::vector<Grant> left_grants{};
    };
    Result<Planned*> find(Store& store, const CgroupRef& cgroup, const std::string& scope);
    Result<void> find_all(Store& store, const std::deque<ApplyNetns>& netns);
    void sort_out(Planned& planned, const Prune& prune) const;
    Result<void> want(const Store& store, Planned& planned, const ApplyNetns& netns,
                      const StagedEntry& staged);
    [[nodiscard]] std::vector<NamedPolicy> others(const Store& store, const Planned& own) const;
    [[nodiscard]] std::string text(const PolicyRule& rule, const Planned& planned) const;

    std::deque<Planned> planned_;
    std::map<const PolicyEntry*, std::vector<Rule>> rules_;
    std::map<std::uint64_t, const StagedNetns*> netns_; // by cookie
    std::vector<Warning> warnings_;
};

} // namespace bpfport
