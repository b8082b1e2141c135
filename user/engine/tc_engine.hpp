// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The engine of one network namespace: brings the kernel to a given set of rules. tc's part is here;
// the rules of the sklookup engine are handed to that (sklookup_engine.hpp).
//
// apply() is the one way things change. It makes what is missing (instance, hooks), flips the rule
// table, then removes what no rule needs any more. Killed in between, what is published is either
// not used yet or not used any more; the next apply() finishes the work, whatever its rules.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "engine/tc_object.hpp"
#include "engine/xdp_hooks.hpp"
#include "kernel/netlink.hpp"
#include "state/attachment.hpp"
#include "state/instance.hpp"
#include "state/store.hpp"

namespace bpfport {

enum class HookChoice { kAuto, kTcx, kClsact };

struct HookKind {
    const char* name; // tcx, clsact
    const char* why;
};

struct TcOptions {
    HookChoice hook = HookChoice::kAuto;
    FlowSizes sizes; // only when the instance is made
};

class TcEngine {
  public:
    // For the current netns. `store` outlives it and is open for change.
    static Result<TcEngine> open(Store& store);

    // Those in force; of interfaces that are gone, none.
    [[nodiscard]] const std::vector<InstalledRule>& rules() const { return rules_; }

    // The kernel runs exactly these afterwards. With none, nothing of ours remains in this netns.
    Result<void> apply(std::vector<InstalledRule> rules, const TcOptions& options = {});

    // How apply() would make the hooks that `rules` still need, but for interfaces where that is
    // not possible.
    [[nodiscard]] HookKind hook_kind(const std::vector<InstalledRule>& rules,
                                     HookChoice choice) const;

    // What the last apply() did otherwise than asked.
    [[nodiscard]] const std::vector<Warning>& warnings() const { return warnings_; }

    [[nodiscard]] const Instance* instance() const { return instance_ ? &*instance_ : nullptr; }

  private:
    TcEngine(Store& store, std::uint64_t netns) : store_(&store), netns_(netns) {}
    Result<void> open_instance();
    Result<void> make_instance(const FlowSizes& sizes);
    Result<void> upgrade();
    Result<void> hook(const Interface& interface, bp_hook kind);
    [[nodiscard]] std::vector<const Interface*>
    missing_hooks(const std::vector<InstalledRule>& rules) const;
    Result<void> make_hooks(const std::vector<InstalledRule>& rules, HookChoice choice);
    Result<void> unhook(const Attachment& attachment);
    Result<void> prepare(const std::vector<InstalledRule>& rules, const TcOptions& options);
    Result<void> prepare_hooks(const std::vector<InstalledRule>& rules, HookChoice choice);
    Result<void> prepare_sklookup(const std::vector<InstalledRule>& rules);
    void note_tc_flows(std::vector<InstalledRule>& rules) const;
    Result<void> publish(std::vector<InstalledRule>& rules);
    Result<void> remove_unneeded();
    Result<void> write_addresses();
    XdpHooks xdp_hooks() { return {*store_, *instance_, interfaces_}; }

    Store* store_;
    std::uint64_t netns_;
    std::optional<Instance> instance_;
    std::vector<InstalledRule> rules_;
    std::vector<Interface> interfaces_;
    std::vector<Warning> warnings_;
};

// The interfaces whose packets `rules` want to see, lo included.
std::set<unsigned> needed_hooks(const std::vector<InstalledRule>& rules,
                                const std::vector<Interface>& interfaces);

} // namespace bpfport
