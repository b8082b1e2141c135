// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/apply_stage.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "kernel/netns.hpp"

namespace bpfport {

namespace {

Result<Fd> open_named(const std::string& name) {
    if (name.empty()) return open_current_netns();
    auto ref = parse_netns(name);
    if (!ref) return std::unexpected(ref.error());
    return open_netns(*ref);
}

Result<std::unique_ptr<StagedNetns>> stage_netns(const std::string& name) {
    auto handle = open_named(name);
    if (!handle) return std::unexpected(handle.error());
    auto staged = std::make_unique<StagedNetns>();
    auto inode = netns_inode(*handle);
    if (!inode) return std::unexpected(inode.error());
    auto inside = ScopedNetns::enter(*handle);
    if (!inside) return std::unexpected(inside.error());
    staged->inode = *inode;
    staged->name = name;
    staged->handle = std::move(*handle);
    staged->cookie = current_netns_cookie();
    return staged;
}

Result<StagedEntry> stage_entry(const PolicyEntry& entry) {
    StagedEntry staged{&entry, {}, {}, false};
    staged.guard.reserve = entry.options.reserve;
    if (!entry.options.owner.empty()) {
        auto owner = parse_owner(entry.options.owner);
        if (!owner) return context("owner", owner.error());
        staged.guard.owner = std::move(*owner);
    }
    if (!entry.on_cgroup) return staged;
    auto found = find_cgroups({entry.scopes.front().value});
    if (!found) return std::unexpected(found.error());
    staged.cgroup = std::move(found->front());
    return staged;
}

// A namespace may have several names.
Result<StagedNetns*> netns_of(ApplyStage& stage, const std::string& name) {
    auto made = stage_netns(name);
    if (!made) return std::unexpected(made.error());
    for (const auto& known : stage.netns)
        if (known->inode == (*made)->inode) return known.get();
    return stage.netns.emplace_back(std::move(*made)).get();
}

} // namespace

std::string StagedNetns::suffix() const {
    return name.empty() ? "" : fmt::format(" in netns {}", name);
}

Result<void> ApplyStage::skip(const PolicyEntry& entry, const SourcePlace& place,
                              const Error& missing) {
    if (entry.options.required) {
        lacks_required = true;
        auto error = missing;
        error.fault = Fault::kSystem;
        return context(fmt::format("{}: required", place.to_string()), std::move(error));
    }
    warnings.push_back(
        {fmt::format("{}: skipped: {}", place.to_string(), missing.message), missing.hint});
    skipped++;
    return {};
}

Result<ApplyStage> stage_policy(const HostPolicy& policy, const std::set<std::string>& more) {
    ApplyStage stage;
    auto own = netns_of(stage, {});
    if (!own) return std::unexpected(own.error());
    std::map<std::string, StagedNetns*> by_name{{"", *own}};
    for (const auto& entry : policy.entries) {
        const std::string& name = entry.options.netns;
        if (!by_name.contains(name)) {
            auto found = netns_of(stage, name);
            if (!found) {
                if (auto skipped = stage.skip(entry, entry.place, found.error()); !skipped)
                    return std::unexpected(skipped.error());
                continue;
            }
            by_name[name] = *found;
        }
        StagedNetns* netns = by_name[name];
        auto staged = stage_entry(entry);
        if (!staged)
            if (auto skipped = stage.skip(entry, entry.place, staged.error()); !skipped)
                return std::unexpected(skipped.error());
        netns->entries.push_back(staged ? std::move(*staged) : StagedEntry{&entry, {}, {}, true});
    }
    for (const auto& name : more) (void)netns_of(stage, name);
    for (const auto& netns : stage.netns) {
        if (std::ranges::all_of(netns->entries,
                                [](const StagedEntry& staged) { return staged.entry->on_cgroup; }))
            continue;
        auto inside = ScopedNetns::enter(netns->handle);
        if (!inside) return std::unexpected(inside.error());
        netns->firewall = read_firewall(); // runs programs
    }
    return stage;
}

} // namespace bpfport
