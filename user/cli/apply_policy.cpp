// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/apply_policy.hpp"

#include <algorithm>
#include <deque>
#include <iterator>

#include "cli/apply_cgroup.hpp"
#include "cli/apply_guard.hpp"
#include "cli/apply_netns.hpp"
#include "config/entry_request.hpp"

namespace bpfport {

namespace {

ApplyOptions apply_options(const HostOptions& host) {
    ApplyOptions options;
    options.hook = hook_choice(host.hook);
    if (host.flows) options.sizes.udp_flows = host.flows;
    if (host.hints) options.sizes.hints = host.hints;
    return options;
}

} // namespace

Result<Applied> apply_policy(Change& change, ApplyStage& stage, const HostOptions& host,
                             const Prune& prune, ApplyMode mode) {
    std::deque<ApplyNetns> netns;
    for (const auto& one : stage.netns) {
        auto planned = ApplyNetns::plan(change.store(), *one, prune, stage);
        if (!planned) return std::unexpected(planned.error());
        netns.push_back(std::move(*planned));
    }
    auto cgroups = ApplyCgroups::plan(change.store(), netns, prune);
    if (!cgroups) return std::unexpected(cgroups.error());
    auto guards = ApplyGuards::plan(change.store(), netns, *cgroups);
    if (!guards) return std::unexpected(guards.error());

    Applied applied;
    for (const auto& one : netns) one.add_lines(applied.lines);
    cgroups->add_lines(applied.lines);
    guards->add_lines(applied.lines);
    if (has_changes(applied.lines) && mode == ApplyMode::kPut) {
        auto& before = applied.before.emplace();
        for (const auto& one : netns) one.add_before(before);
        cgroups->add_before(before);
        guards->add_before(before);
        guards->put(change);
        for (auto& one : netns) one.put(change, apply_options(host));
        cgroups->put(change);
        if (auto done = change.commit(); !done) return std::unexpected(done.error());
    }
    for (const auto& one : netns) {
        std::ranges::move(one.warnings(), std::back_inserter(applied.warnings));
        if (auto note = one.note(); !note.empty()) applied.notes.push_back(std::move(note));
        one.add_owned(applied.owned);
    }
    std::ranges::copy(cgroups->warnings(), std::back_inserter(applied.warnings));
    cgroups->add_owned(applied.owned);
    return applied;
}

} // namespace bpfport
