// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// NetnsRules: the rules of one network namespace's interfaces, of whatever engine, and what keeps them
// in force. Brings the kernel to a given set of rules.
//
// apply() is the one way things change. It makes what is missing (instance, and what engines prepare),
// flips the rule table, then has the engines remove what no rule needs any more. Killed in between,
// what is published is either not used yet or not used any more; the next apply() finishes the work,
// whatever its rules.
#pragma once

#include <optional>
#include <vector>

#include "base/error.hpp"
#include "engine/contract.hpp"
#include "engine/tc_hooks.hpp"
#include "engine/tc_object.hpp"
#include "state/instance.hpp"
#include "state/store.hpp"

namespace bpfport {

struct ApplyOptions {
    HookChoice hook = HookChoice::kAuto;
    MapSizes sizes; // only when the instance is made
};

class NetnsRules {
  public:
    // For the current netns. `store` outlives it and is open for change.
    static Result<NetnsRules> open(Store& store);

    // Those in force; of interfaces that are gone, none.
    [[nodiscard]] const std::vector<RuleSpec>& rules() const { return rules_; }

    // The kernel runs exactly these afterwards. With none, no program of bpfport remains in this netns.
    Result<void> apply(std::vector<RuleSpec> rules, const ApplyOptions& options = {});

    // How apply() would make the hooks that `rules` still need, but for interfaces where that is
    // not possible.
    [[nodiscard]] HookKind hook_kind(const std::vector<RuleSpec>& rules, HookChoice choice) const;

    // Whether the programs know the addresses that the host has now; apply() writes them down.
    [[nodiscard]] Result<bool> knows_addresses() const;

    // Where the result of the last apply() differs from the request.
    [[nodiscard]] const std::vector<Warning>& warnings() const { return warnings_; }

    [[nodiscard]] const Instance* instance() const { return instance_ ? &*instance_ : nullptr; }

  private:
    NetnsRules(Store& store, std::uint64_t netns) : store_(&store), netns_(netns) {}
    Result<void> open_instance();
    Result<void> make_instance(const MapSizes& sizes);
    Result<void> enlarge(const TableCapacity& wanted);
    Result<void> upgrade(EngineContext& context);
    Result<void> bring_to(std::vector<RuleSpec>& rules, const ApplyOptions& options);
    Result<void> make_room(const TableCapacity& wanted, const ApplyOptions& options);
    Result<void> prepare(const std::vector<RuleSpec>& rules, const ApplyOptions& options);
    Result<void> publish(const TableChange& change);
    Result<void> settle();
    Result<void> release();
    Result<void> write_addresses();
    EngineContext context(HookChoice hook);

    Store* store_;
    std::uint64_t netns_;
    std::optional<Instance> instance_;
    std::vector<RuleSpec> rules_;
    std::vector<Interface> interfaces_;
    std::vector<Warning> warnings_;
};

} // namespace bpfport
