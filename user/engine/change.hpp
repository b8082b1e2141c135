// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Change: the one way in which a command changes what the kernel runs, so that none leaves a step out.
//
//   begin         takes the lock, removes what is dead, takes off the rules that have drained, and
//                 finishes what a killed command has begun
//   plan          is the command's: a pure function of what is in force and of the host's facts
//   guard, put,   note what shall be; nothing changes yet
//   remove
//   commit        checks the guards and puts them, then brings the kernel to the rules and policies in
//                 the order in which they were put; the first that fails ends that, and what can be undone is. In any case it
//                 removes what no rule and no policy needs
//
// Killed anywhere, the next begin() goes on from there. The lock is held as long as the object lives.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "engine/cgroup_engine.hpp"
#include "engine/guard.hpp"
#include "engine/netns_rules.hpp"
#include "rule/conflict.hpp"
#include "state/store.hpp"

namespace bpfport {

class Change {
  public:
    // `warnings`: of what could not be done and is no reason not to go on.
    static Result<Change> begin(const std::filesystem::path& root, std::vector<Warning>& warnings);

    // Stays where it is when the object moves.
    [[nodiscard]] Store& store() { return *store_; }

    // What is referred to outlives commit().
    void guard(const GuardRequest& request, GuardedRules rules, const HostFacts& facts);
    void put(NetnsRules& netns, std::vector<RuleSpec> rules, const ApplyOptions& options = {});
    // The policy that is in force now is put back if this or a later step fails.
    void put(CgroupEngine& cgroup, PolicyContent content);
    void remove(std::string entry); // of the store
    // Any other step. `undo` is called when this or a later one fails, the last first.
    using Step = std::function<Result<void>()>;
    void add(Step step, Step undo);
    Result<void> commit();

  private:
    struct Reversible {
        Step run;
        Step undo; // none: it stays
    };
    Result<void> run(const std::vector<Reversible>& steps);

    explicit Change(Store store) : store_(std::make_unique<Store>(std::move(store))) {}

    std::unique_ptr<Store> store_;
    Step guards_;
    std::vector<Reversible> steps_;
};

} // namespace bpfport
