// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/apply_netns.hpp"

#include <algorithm>
#include <iterator>
#include <set>

#include <fmt/format.h>

#include "cli/attach_network.hpp"
#include "config/entry_request.hpp"
#include "engine/engines.hpp"
#include "engine/signed_rules.hpp"
#include "engine/tc_object.hpp"
#include "facts/scope_interfaces.hpp"
#include "kernel/netns.hpp"
#include "stats/snapshot.hpp"

namespace bpfport {

Result<ApplyNetns> ApplyNetns::plan(Store& store, StagedNetns& stage, const Prune& prune,
                                    ApplyStage& all) {
    auto inside = ScopedNetns::enter(stage.handle);
    if (!inside) return std::unexpected(inside.error());
    auto rules = NetnsRules::open(store);
    if (!rules) return std::unexpected(rules.error());
    auto facts = host_facts();
    if (!facts) return std::unexpected(facts.error());
    ApplyNetns made(stage, std::move(*rules));
    made.facts_ = std::move(*facts);
    made.before_ = made.rules_.rules();
    auto wanted = made.wanted(all);
    if (!wanted) return std::unexpected(wanted.error());
    made.sort_out(prune);
    if (auto planned = made.make_plan(store, *wanted); !planned)
        return std::unexpected(planned.error());
    return made;
}

Result<std::vector<WantedRule>> ApplyNetns::wanted(ApplyStage& all) {
    std::vector<WantedRule> wanted;
    for (const auto& staged : stage_->entries) {
        const PolicyEntry& entry = *staged.entry;
        if (entry.on_cgroup) continue;
        requests_.emplace(&entry, attach_request(entry.options)).first->second.replace = true;
        for (const auto& scope : entry.scopes) {
            auto indexes = scope_interfaces({scope.value}, facts_.interfaces);
            if (!indexes) {
                if (staged.skipped) continue;
                if (auto skipped = all.skip(entry, scope.place, indexes.error()); !skipped)
                    return std::unexpected(skipped.error());
                continue;
            }
            for (unsigned ifindex : *indexes)
                if (auto claimed = claim(staged, ifindex, wanted); !claimed)
                    return std::unexpected(claimed.error());
        }
    }
    return wanted;
}

// A name and a pattern may stand for the same interface.
Result<void> ApplyNetns::claim(const StagedEntry& staged, unsigned ifindex,
                               std::vector<WantedRule>& wanted) {
    const PolicyEntry& entry = *staged.entry;
    for (const auto& [rule, place] : entry.rules) {
        const auto key = listen_key({0, rule, ifindex, 0, 0, 0, 0});
        auto [first, is_new] = claims_.try_emplace(key, Claim{rule, &entry, place});
        if (!is_new) {
            const Claim& other = first->second;
            if (other.rule == rule && other.entry->options == entry.options) continue;
            return failure(fmt::format("{} on {}: {} and {} are both for this interface, with "
                                       "another target, weight or other options",
                                       rule.to_string(), scope_name(ifindex, facts_.interfaces),
                                       other.place.to_string(), place.to_string()),
                           "leave one of the two out, or write a pattern that doesn't match it");
        }
        if (!staged.skipped) wanted.push_back({rule, ifindex, &requests_.at(&entry)});
    }
    return {};
}

const ApplyNetns::Claim* ApplyNetns::claim_of(const RuleSpec& rule) const {
    auto found =
        find_same_rule(claims_, rule, [](const Claim& claim) -> const Rule& { return claim.rule; });
    return found == claims_.end() ? nullptr : &found->second;
}

// Rules that drain end by themselves.
void ApplyNetns::sort_out(const Prune& prune) {
    for (const auto& rule : before_)
        if (!claim_of(rule))
            (!rule.has(BP_RULE_DRAINING) && prune.takes(stage_->inode, rule) ? removed_ : left_)
                .push_back(rule);
}

Result<void> ApplyNetns::make_plan(const Store& store, const std::vector<WantedRule>& wanted) {
    if (wanted.empty() && before_.empty()) return {};
    if (!wanted.empty())
        for (const Engine* engine : engines())
            if (std::ranges::any_of(requests_, [&](const auto& request) {
                    return !request.second.engine || request.second.engine == engine;
                }))
                engine->probe(store, facts_);
    std::set<std::uint16_t> removed;
    for (const auto& rule : removed_) removed.insert(rule.id);
    auto existing = before_;
    std::erase_if(existing, [&](const RuleSpec& rule) { return removed.contains(rule.id); });
    auto plan = plan_rules(wanted, existing, facts_);
    if (!plan) return std::unexpected(plan.error());
    plan_ = std::move(*plan);
    if (changes()) return check_places();
    auto repair = needs_repair(store);
    if (!repair) return std::unexpected(repair.error());
    repair_ = *repair;
    return {};
}

Result<void> ApplyNetns::check_places() {
    auto network = look_around(facts_, stage_->firewall, plan_);
    if (!network) return std::unexpected(network.error());
    network_ = std::move(*network);
    std::map<const PolicyEntry*, Plan> by_entry; // each is judged by its own `force`
    for (const auto& rule : plan_.added) by_entry[claim_of(rule)->entry].added.push_back(rule);
    for (const auto& change : plan_.replaced)
        by_entry[claim_of(change.second)->entry].replaced.push_back(change);
    for (const auto& [entry, own] : by_entry)
        if (auto fits = check_network(requests_.at(entry), own, facts_, *network_); !fits)
            return context(entry->place.to_string(), fits.error());
    std::ranges::move(signature_warnings(plan_, facts_), std::back_inserter(plan_.warnings));
    return {};
}

// Hooks that were taken off, addresses and interfaces of `any` that came later, programs of another build.
Result<bool> ApplyNetns::needs_repair(const Store& store) const {
    if (!rules_.instance()) return false;
    if (rules_.instance()->meta().build != tc_object_build()) return true;
    auto addresses = rules_.knows_addresses();
    if (!addresses || !*addresses) return !addresses ? addresses : Result<bool>(true);
    auto snapshot = take_snapshot(store, facts_);
    if (!snapshot) return std::unexpected(snapshot.error());
    return *snapshot && (!(*snapshot)->unhooked.empty() ||
                         !std::ranges::all_of((*snapshot)->hooks, &HookStatus::alive) ||
                         !std::ranges::all_of((*snapshot)->rules, &RuleView::in_force));
}

bool ApplyNetns::changes() const {
    return !plan_.added.empty() || !plan_.replaced.empty() || !removed_.empty();
}

std::vector<Rule> ApplyNetns::rules_of(const PolicyEntry& entry) const {
    std::set<Rule> rules;
    for (const auto& rule : plan_.rules)
        if (const Claim* claim = claim_of(rule); claim && claim->entry == &entry)
            rules.insert(rule.rule);
    return {rules.begin(), rules.end()};
}

std::string ApplyNetns::text(const RuleSpec& rule) const {
    return fmt::format("{}{} ({})", placed(rule, facts_.interfaces).to_string(), stage_->suffix(),
                       engine_name(rule.engine));
}

void ApplyNetns::add_lines(ApplyLines& lines) const {
    using What = ApplyLine::What;
    for (const auto& rule : plan_.added) lines.push_back({What::kAdded, text(rule)});
    for (const auto& [before, after] : plan_.replaced) {
        const std::string target = before.rule == after.rule ? "options" : before.rule.to_string();
        const bool engine = before.engine != after.engine;
        lines.push_back({What::kChanged,
                         fmt::format("{}, before: {}{}{}", text(after), target, engine ? ", " : "",
                                     engine ? engine_name(before.engine) : "")});
    }
    for (const auto& rule : removed_) lines.push_back({What::kRemoved, text(rule)});
    if (repair_)
        lines.push_back(
            {What::kRepaired,
             fmt::format("hooks, programs and addresses of the rules{}", stage_->suffix())});
    for (const auto& rule : plan_.kept) lines.push_back({What::kSame, text(rule)});
    for (const auto& rule : left_)
        lines.push_back({What::kLeft, fmt::format("{}{}", text(rule),
                                                  rule.has(BP_RULE_DRAINING) ? ", draining" : "")});
}

void ApplyNetns::put(Change& change, const ApplyOptions& options) {
    if (!changes() && !repair_) return;
    auto apply = [this, options](const std::vector<RuleSpec>& rules) -> Result<void> {
        auto inside = ScopedNetns::enter(stage_->handle);
        if (!inside) return std::unexpected(inside.error());
        return rules_.apply(rules, options);
    };
    change.add([this, apply] { return apply(plan_.rules); },
               [this, apply] { return apply(before_); });
}

void ApplyNetns::add_before(BeforeApply& before) const {
    before.netns.push_back({&stage_->handle, stage_->cookie, changes(), before_});
}

std::vector<Warning> ApplyNetns::warnings() const {
    if (!network_) return {};
    auto warnings = network_warnings(plan_, facts_, *network_);
    std::ranges::copy(plan_.warnings, std::back_inserter(warnings));
    std::ranges::copy(rules_.warnings(), std::back_inserter(warnings));
    return warnings;
}

std::string ApplyNetns::note() const { return network_ ? network_note(plan_, *network_) : ""; }

void ApplyNetns::add_owned(OwnedKeys& keys) const {
    for (const auto& rule : plan_.rules)
        if (claim_of(rule)) keys.insert(owned_key(stage_->inode, rule));
}

} // namespace bpfport
