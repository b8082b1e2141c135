// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// ApplyNetns: the rules of interfaces that a policy has for one network namespace, against those in force.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "cli/apply_confirm.hpp"
#include "cli/apply_line.hpp"
#include "cli/apply_prune.hpp"
#include "cli/apply_stage.hpp"
#include "engine/netns_rules.hpp"
#include "engine/plan.hpp"
#include "facts/network_view.hpp"

namespace bpfport {

class ApplyNetns {
  public:
    // With the store locked, in any namespace. `stage` outlives it; what is skipped is noted in `all`.
    static Result<ApplyNetns> plan(Store& store, StagedNetns& stage, const Prune& prune,
                                   ApplyStage& all);

    [[nodiscard]] const StagedNetns& stage() const { return *stage_; }
    [[nodiscard]] const HostFacts& facts() const { return facts_; }
    // All that will be in force.
    [[nodiscard]] const std::vector<RuleSpec>& rules() const { return plan_.rules; }
    // Those that no file has and that stay.
    [[nodiscard]] const std::vector<RuleSpec>& left() const { return left_; }
    // Those of an entry that will be in force.
    [[nodiscard]] std::vector<Rule> rules_of(const PolicyEntry& entry) const;

    void add_lines(ApplyLines& lines) const;
    // Notes the step and its undoing; nothing when all is as it should be. This outlives commit().
    void put(Change& change, const ApplyOptions& options);
    // What put() changes.
    void add_before(BeforeApply& before) const;
    // What is to be said of new rules, as attach says it. After commit().
    [[nodiscard]] std::vector<Warning> warnings() const;
    [[nodiscard]] std::string note() const; // empty: nothing
    // Those that the policy has and that will be in force.
    void add_owned(OwnedKeys& keys) const;

  private:
    struct Claim {
        Rule rule;
        const PolicyEntry* entry;
        SourcePlace place;
    };

    ApplyNetns(StagedNetns& stage, NetnsRules rules) : stage_(&stage), rules_(std::move(rules)) {}
    Result<std::vector<WantedRule>> wanted(ApplyStage& all);
    Result<void> claim(const StagedEntry& staged, unsigned ifindex,
                       std::vector<WantedRule>& wanted);
    void sort_out(const Prune& prune);
    Result<void> make_plan(const Store& store, const std::vector<WantedRule>& wanted);
    Result<void> check_places();
    [[nodiscard]] Result<bool> needs_repair(const Store& store) const;
    [[nodiscard]] const Claim* claim_of(const RuleSpec& rule) const; // nullptr: no entry has it
    [[nodiscard]] bool changes() const;
    [[nodiscard]] std::string text(const RuleSpec& rule) const;

    StagedNetns* stage_;
    NetnsRules rules_;
    HostFacts facts_;
    std::map<ListenKey, Claim> claims_; // by the entries, those that are skipped too
    std::map<const PolicyEntry*, AttachRequest> requests_;
    std::vector<RuleSpec> before_, removed_, left_;
    Plan plan_;
    std::optional<NetworkView> network_;
    bool repair_ = false;
};

} // namespace bpfport
