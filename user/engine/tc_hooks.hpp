// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The tc hooks of a network namespace's interfaces: where rules need them, and how they are made,
// given other programs and removed. All programs are those of the instance.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "engine/contract.hpp"
#include "kernel/tc_hook.hpp"
#include "state/attachment.hpp"

namespace bpfport {

struct HookKind {
    const char* name; // tcx, clsact
    const char* why;
};

// The interfaces, lo included, by which clients of the rule come.
void add_tc_hooks(const RuleSpec& rule, const std::vector<Interface>& interfaces,
                  WantedHooks& wanted);

// tcx links that pass packets on until they are given programs.
using ReservedLinks = std::map<std::pair<unsigned, Direction>, Link>; // by ifindex

class TcHooks {
  public:
    TcHooks(Store& store, std::uint64_t netns, const std::vector<Interface>& interfaces)
        : store_(store), netns_(netns), interfaces_(interfaces) {}

    // How make() would make those that `rules` still need, but for interfaces where that is not
    // possible.
    [[nodiscard]] HookKind kind(const std::vector<RuleSpec>& rules, HookChoice choice) const;
    Result<void> make(Instance& instance, const std::vector<RuleSpec>& rules, HookChoice choice);
    // The programs of this build in every hook and in the instance, without a gap.
    Result<void> upgrade(Instance& instance);
    Result<void> remove_unneeded(const std::vector<RuleSpec>& rules);

  private:
    [[nodiscard]] std::vector<const Interface*> missing(const std::vector<RuleSpec>& rules) const;
    Result<void> hook(Instance& instance, const Interface& interface, bp_hook kind,
                      ReservedLinks& reserved);
    Result<ReservedLinks> load(Instance& instance, const std::vector<const Interface*>& linked);
    Result<void> unhook(const Attachment& attachment);
    Result<void> update(const std::filesystem::path& staging); // links and filters

    Store& store_;
    std::uint64_t netns_;
    const std::vector<Interface>& interfaces_;
};

} // namespace bpfport
