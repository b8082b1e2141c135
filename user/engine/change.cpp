// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/change.hpp"

#include <utility>

#include <fmt/format.h>

#include "engine/drain.hpp"
#include "kernel/bpffs.hpp"
#include "kernel/capabilities.hpp"
#include "state/attachment.hpp"
#include "state/unreadable.hpp"

namespace bpfport {

Result<Change> Change::begin(const std::filesystem::path& root, std::vector<Warning>& warnings) {
    if (auto allowed = require_capabilities(kAttachCapabilities); !allowed)
        return std::unexpected(allowed.error());
    if (auto there = ensure_bpffs(root.parent_path()); !there)
        return std::unexpected(there.error());
    auto opened = Store::open(root, Store::Access::kChange);
    if (!opened) return std::unexpected(opened.error());
    Change change(std::move(*opened));
    Store& store = change.store();
    for (const auto& entry : unreadable(store))
        warnings.push_back({fmt::format("{} {}", entry, kUnreadableText), kUnreadableHint});
    if (auto swept = sweep(store); !swept) return std::unexpected(swept.error());
    if (auto swept = sweep_cgroups(store); !swept) return std::unexpected(swept.error());
    for (auto& warning : finish_all_drains(store)) warnings.push_back(std::move(warning));
    if (auto done = reconcile_cgroups(store); !done) return std::unexpected(done.error());
    return change;
}

void Change::guard(const GuardRequest& request, GuardedRules rules, const HostFacts& facts) {
    guards_ = [store = store_.get(), &request, rules = std::move(rules), &facts] {
        return put_guards(*store, request, rules, facts);
    };
}

void Change::put(NetnsRules& netns, std::vector<RuleSpec> rules, const ApplyOptions& options) {
    // A step runs once.
    add([&netns, rules = std::move(rules),
         options]() mutable { return netns.apply(std::move(rules), options); },
        {});
}

void Change::put(CgroupEngine& cgroup, PolicyContent content) {
    add([&cgroup, content = std::move(content)] { return cgroup.apply(content); },
        [&cgroup, now = cgroup.content()] { return cgroup.apply(now); });
}

void Change::remove(std::string entry) {
    add([store = store_.get(), entry = std::move(entry)] { return store->remove(entry); }, {});
}

void Change::add(Step step, Step undo) { steps_.push_back({std::move(step), std::move(undo)}); }

Result<void> Change::run(const std::vector<Reversible>& steps) {
    for (std::size_t at = 0; at < steps.size(); at++) {
        auto done = steps[at].run();
        if (done) continue;
        bool undone = false;
        for (std::size_t before = at + 1; before-- > 0;) {
            const auto& undo = steps[before].undo;
            if (!undo) continue;
            undone = true;
            if (auto as_before = undo(); !as_before)
                return context(fmt::format("{}; not all is as it was before", done.error().message),
                               as_before.error());
        }
        if (undone && at > 0) done.error().message += "; all is as it was before";
        return done;
    }
    return {};
}

// Guards before rules: no port is redirected to before it is its owner's alone.
Result<void> Change::commit() {
    const auto guards = std::exchange(guards_, {});
    const auto steps = std::exchange(steps_, {});
    Result<void> done;
    if (guards) done = guards();
    if (done) done = run(steps);
    auto reconciled = reconcile_cgroups(*store_);
    if (!done || reconciled) return done;
    return context("all is in force as asked, but not all is cleaned up", reconciled.error());
}

} // namespace bpfport
