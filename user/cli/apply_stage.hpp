// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// ApplyStage: what the host has of what a policy names: namespaces, cgroups, owners. Looked up before
// the store is locked. What is not there is skipped with a warning, since at boot much comes later,
// unless its entry is required.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "cli/cgroup_session.hpp"
#include "config/host_policy.hpp"
#include "firewall/read_firewall.hpp"
#include "kernel/owner.hpp"

namespace bpfport {

struct StagedEntry {
    const PolicyEntry* entry = nullptr;
    GuardRequest guard;
    std::optional<FoundCgroup> cgroup;
    bool skipped = false; // what it names stays as it is
};

// A network namespace and its entries.
struct StagedNetns {
    std::string name; // as in the policy; empty: the command's own
    Fd handle;
    std::uint64_t inode = 0;
    std::uint64_t cookie = 0; // 0: the kernel doesn't tell
    FirewallReading firewall{};
    std::vector<StagedEntry> entries;

    // " in netns blue"; empty for the command's own.
    [[nodiscard]] std::string suffix() const;
};

struct ApplyStage {
    std::vector<std::unique_ptr<StagedNetns>> netns; // the command's own first
    std::vector<Warning> warnings;
    std::size_t skipped = 0;
    bool lacks_required = false; // that is why it failed

    // An entry goes without what is missing; an error if that is required.
    Result<void> skip(const PolicyEntry& entry, const SourcePlace& place, const Error& missing);
};

// `policy` outlives it. In the session's network namespace. `more`: names of other namespaces to look at, if they
// are there.
Result<ApplyStage> stage_policy(const HostPolicy& policy, const std::set<std::string>& more = {});

} // namespace bpfport
