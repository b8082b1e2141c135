// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/serve_round.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <span>

#include <fmt/format.h>

#include "cli/apply_policy.hpp"
#include "engine/drain.hpp"
#include "kernel/netns.hpp"

namespace bpfport {

namespace {

using Entries = std::span<StagedEntry* const>;

class ServeRound {
  public:
    ServeRound(const RoundTask& task, Change& change, ApplyStage& stage, const Prune& prune)
        : task_(task), change_(change), stage_(stage), prune_(prune), missing_(stage.warnings) {
        for (const auto& netns : stage.netns)
            for (auto& entry : netns->entries)
                if (!entry.skipped) there_.push_back(&entry);
    }

    ServeReport run() {
        auto all = put(there_);
        if (!all && (stage_.lacks_required || there_.size() < 2))
            fail(all.error(),
                 there_.size() == 1 && !stage_.lacks_required ? there_.front() : nullptr);
        else if (!all)
            put_halves(there_);
        std::ranges::move(stage_.warnings, std::back_inserter(report_.skipped));
        return std::move(report_);
    }

  private:
    // These and those that were put before; others stay as they are.
    Result<void> put(Entries entries) {
        stage_.warnings = missing_;
        stage_.skipped = missing_.size();
        stage_.lacks_required = false;
        auto chosen = good_;
        chosen.insert(entries.begin(), entries.end());
        for (auto* entry : there_) entry->skipped = !chosen.contains(entry);
        auto applied = apply_policy(change_, stage_, task_.policy->host, prune_, ApplyMode::kPut);
        if (!applied) return std::unexpected(applied.error());
        good_ = std::move(chosen);
        note(*applied);
        return {};
    }

    // The entry at fault is looked for by halves.
    void put_halves(Entries entries) {
        const auto middle = entries.size() / 2;
        for (const Entries half : {entries.first(middle), entries.subspan(middle)}) {
            auto done = put(half);
            if (!done && half.size() == 1)
                fail(done.error(), half.front());
            else if (!done)
                put_halves(half);
        }
    }

    void fail(const Error& error, const StagedEntry* entry) {
        const auto place = entry ? entry->entry->place.to_string() + ": " : "";
        report_.faults.push_back(
            {error.message.starts_with(place) ? error.message : place + error.message, error.hint});
    }

    void note(Applied& applied) {
        using What = ApplyLine::What;
        report_.left.clear();
        report_.in_force = 0;
        for (const auto& [what, text] : applied.lines) {
            if (what == What::kLeft)
                report_.left.push_back(text);
            else if (what != What::kSame)
                report_.done.push_back({apply_word(what), text});
            report_.in_force +=
                what == What::kSame || what == What::kAdded || what == What::kChanged;
        }
        std::ranges::move(applied.warnings, std::back_inserter(report_.warnings));
        report_.owned = std::move(applied.owned);
        // Of namespaces that were not looked at.
        for (const auto& key : task_.owned)
            if (std::ranges::none_of(stage_.netns, [&](const auto& netns) {
                    return !key.first || key.first == netns->inode || key.first == netns->cookie;
                }))
                report_.owned.insert(key);
    }

    const RoundTask& task_;
    Change& change_;
    ApplyStage& stage_;
    const Prune& prune_;
    std::vector<Warning> missing_;
    std::vector<StagedEntry*> there_;
    std::set<const StagedEntry*> good_;
    ServeReport report_;
};

ServeReport fault(const Error& error) {
    ServeReport report;
    report.faults.push_back({error.message, error.hint});
    return report;
}

// Programs on cgroups know the local addresses of each namespace; apply writes down those of its own.
Result<void> note_addresses(Change& change, const ApplyStage& stage) {
    for (const auto& netns : stage.netns) {
        auto inside = ScopedNetns::enter(netns->handle);
        if (!inside) return std::unexpected(inside.error());
        if (auto done = reconcile_cgroups(change.store()); !done) return done;
    }
    return {};
}

} // namespace

ServeReport serve_round(const Session& session, const RoundTask& task, PruneWhat what) {
    if (auto free = refuse_while_waiting(session); !free) {
        auto report = fault(free.error());
        report.again = true;
        return report;
    }
    auto stage = stage_policy(*task.policy, task.netns);
    if (!stage) return fault(stage.error());
    std::vector<Warning> warnings;
    auto change = Change::begin(session.root, warnings);
    if (!change) return fault(change.error());
    if (task.source->has_changed()) { // by the command that had the lock, `attach --save`, say
        ServeReport report;
        report.outdated = true;
        return report;
    }
    if (auto noted = note_addresses(*change, *stage); !noted) return fault(noted.error());
    const auto prune = what == PruneWhat::kAll ? Prune::all() : Prune::only(task.owned);
    auto report = ServeRound(task, *change, *stage, prune).run();
    std::ranges::move(warnings, std::back_inserter(report.warnings));
    report.again = has_drains(change->store());
    return report;
}

} // namespace bpfport
