// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/tc_engine.hpp"

#include <algorithm>
#include <future>

#include <fmt/format.h>

#include "bpfport/counters.h"
#include "engine/address_list.hpp"
#include "engine/exclusive.hpp"
#include "engine/sklookup_engine.hpp"
#include "engine/tc_programs.hpp"
#include "kernel/bpf.hpp"
#include "kernel/map.hpp"
#include "kernel/netns.hpp"
#include "state/unreadable.hpp"

namespace bpfport {

Result<TcEngine> TcEngine::open(Store& store) {
    auto netns = current_netns_inode();
    if (!netns) return std::unexpected(netns.error());
    if (auto readable = refuse_unreadable(store, *netns); !readable)
        return std::unexpected(readable.error());
    TcEngine engine(store, *netns);
    auto list = interfaces();
    if (!list) return std::unexpected(list.error());
    engine.interfaces_ = std::move(*list);
    if (!store.has(instance_name(*netns))) return engine;
    if (auto opened = engine.open_instance(); !opened) return std::unexpected(opened.error());
    return engine;
}

Result<void> TcEngine::open_instance() {
    auto instance = Instance::open(*store_, netns_, Store::Access::kChange);
    if (!instance) return std::unexpected(instance.error());
    instance_ = std::move(*instance);
    rules_ = instance_->table().rules();
    std::erase_if(rules_, [&](const InstalledRule& rule) {
        return rule.ifindex && std::ranges::find(interfaces_, rule.ifindex, &Interface::ifindex) ==
                                   interfaces_.end();
    });
    return {};
}

Result<void> TcEngine::make_instance(const FlowSizes& sizes) {
    auto staging = store_->stage();
    if (!staging) return std::unexpected(staging.error());
    auto loaded = load_tc_object(staging->path(), {.sizes = sizes});
    if (!loaded) return std::unexpected(loaded.error());
    bp_netns_meta meta{BP_ABI, loaded->direct_write, tc_object_build(), current_netns_cookie(),
                       netns_};
    BP_TRY(staging->directory().describe(meta), "describe the instance");
    if (auto published = staging->publish(instance_name(netns_)); !published) return published;
    return open_instance();
}

// Other programs, the same maps: connections, rules and counters go on.
Result<void> TcEngine::upgrade() {
    auto staging = store_->stage();
    if (!staging) return std::unexpected(staging.error());
    auto direct_write = stage_programs(staging->path(), *instance_);
    if (!direct_write) return std::unexpected(direct_write.error());
    for (const auto& attachment : attachments(*store_, netns_)) {
        auto interface =
            std::ranges::find(interfaces_, attachment.name().ifindex, &Interface::ifindex);
        if (interface == interfaces_.end()) continue;
        for (Direction direction : {Direction::kEgress, Direction::kIngress}) {
            auto program =
                open_pin(staging->path() / program_pin(link_layer(*interface), direction));
            if (!program) return std::unexpected(program.error());
            BP_TRY(attachment.update(direction, *program), "upgrade");
        }
    }
    BP_TRY(xdp_hooks().upgrade(), "upgrade");
    BP_TRY(replace_programs(staging->path(), *instance_), "upgrade");
    bp_netns_meta meta = instance_->meta();
    meta.build = tc_object_build();
    meta.direct_write = *direct_write;
    BP_TRY(instance_->directory().describe_anew(meta), "upgrade");
    return open_instance();
}

Result<void> TcEngine::write_addresses() {
    auto map = instance_->open_pin(pins::kAddresses);
    if (!map) return std::unexpected(map.error());
    auto addresses = interface_addresses();
    if (!addresses) return std::unexpected(addresses.error());
    auto written = bpfport::write_addresses(*map, address_owners(*addresses, interfaces_, rules_));
    if (!written) return std::unexpected(written.error());
    warnings_.insert(warnings_.end(), written->begin(), written->end());
    return {};
}

Result<void> TcEngine::prepare(const std::vector<InstalledRule>& rules, const TcOptions& options) {
    if (!instance_) {
        BP_TRY(make_instance(options.sizes), "set up this network namespace");
    } else if (instance_->meta().build != tc_object_build()) {
        BP_TRY(upgrade(), "set up this network namespace");
    }
    if (!any_sklookup(rules)) return prepare_hooks(rules, options.hook);
    // Hooks wait for the kernel, sklookup's programs for the verifier: each tcx link takes a grace
    // period of RCU. Neither is used before the rules are published.
    auto hooks = std::async(std::launch::async, [&] { return prepare_hooks(rules, options.hook); });
    auto attached = SklookupEngine(*store_, netns_).attach(*instance_);
    if (auto made = hooks.get(); !made) return made;
    BP_TRY(std::move(attached), "engine sklookup");
    return prepare_sklookup(rules);
}

Result<void> TcEngine::prepare_hooks(const std::vector<InstalledRule>& rules, HookChoice choice) {
    if (auto made = make_hooks(rules, choice); !made) return made;
    if (auto whole = attach_exclusive(*instance_, rules); !whole) return whole;
    auto xdp = xdp_hooks().make(rules);
    if (!xdp) return std::unexpected(xdp.error());
    warnings_ = std::move(*xdp);
    return {};
}

// A rule that asks for sklookup and nothing else is refused where a listener is that it can't serve
// now; one that comes later is reported by status.
Result<void> TcEngine::prepare_sklookup(const std::vector<InstalledRule>& rules) {
    SklookupEngine sklookup(*store_, netns_);
    std::ranges::move(sklookup.tell_names(rules), std::back_inserter(warnings_));
    auto refused = sklookup.find_listeners(*instance_, rules);
    if (!refused) return context("engine sklookup", refused.error());
    for (const auto& rule : rules) {
        bool there = std::ranges::any_of(rules_, [&](const InstalledRule& old) {
            return old.id == rule.id && is_sklookup(old);
        });
        if (!is_sklookup(rule) || there || rule.has(BP_RULE_STANDBY)) continue;
        for (const auto& refusal : *refused)
            if (refusal.protocol == rule.rule.protocol() &&
                rule.rule.target().contains(refusal.port))
                return failure(fmt::format("engine sklookup can't serve port {}: {}", refusal.port,
                                           why_refused(refusal)),
                               refusal.error == EOPNOTSUPP
                                   ? "--engine auto or tc serves it; in a Go program "
                                     "GODEBUG=multipathtcp=0 turns it off"
                                   : "--engine tc serves it");
    }
    return {};
}

// Connections that tc serves in place of sklookup outlive the need for it.
void TcEngine::note_tc_flows(std::vector<InstalledRule>& rules) const {
    for (auto& rule : rules) {
        if (!is_sklookup(rule) || !rule.has(BP_RULE_STANDBY)) continue;
        auto [first, last] = rule.rule.target();
        for (unsigned port = first; port <= last; port++)
            if (instance_->table().by_tc(static_cast<std::uint16_t>(port)))
                rule.flags |= BP_RULE_TC_FLOWS;
    }
}

// A new rule counts from zero, whatever rule had its id before.
Result<void> TcEngine::publish(std::vector<InstalledRule>& rules) {
    std::set<std::uint16_t> old;
    for (const auto& rule : rules) old.insert(rule.id);
    if (auto numbered = instance_->table().number(rules); !numbered) return numbered;
    auto counters = instance_->open_pin(pins::kCounters);
    if (!counters) return std::unexpected(counters.error());
    for (const auto& rule : rules)
        if (!old.contains(rule.id)) BP_TRY(clear_cpus<bp_counters>(*counters, rule.id), "new rule");
    return instance_->table().replace(rules);
}

Result<void> TcEngine::remove_unneeded() {
    std::set<unsigned> needed = needed_hooks(rules_, interfaces_);
    for (const auto& attachment : attachments(*store_, netns_))
        if (!needed.contains(attachment.name().ifindex)) BP_TRY(unhook(attachment), "clean up");
    if (!any_sklookup(rules_)) BP_TRY(SklookupEngine(*store_, netns_).remove(), "clean up");
    if (instance_) BP_TRY(remove_exclusive(*instance_, rules_), "clean up");
    if (!rules_.empty()) return xdp_hooks().remove_unneeded(rules_);
    instance_.reset();
    return store_->remove(instance_name(netns_));
}

Result<void> TcEngine::apply(std::vector<InstalledRule> rules, const TcOptions& options) {
    Result<void> changed;
    if (!rules.empty()) changed = prepare(rules, options);
    if (changed && instance_) {
        note_tc_flows(rules);
        changed = publish(rules);
    }
    if (!changed) {
        (void)remove_unneeded(); // what was made for nothing
        return changed;
    }
    rules_ = std::move(rules);
    const char* holds = rules_.empty() ? "no rule is in force any more, but not all is cleaned up"
                                       : "the rules are in force as asked, but not all is done";
    if (!rules_.empty()) changed = write_addresses();
    if (changed && any_sklookup(rules_))
        changed = SklookupEngine(*store_, netns_).settle(*instance_, rules_);
    auto removed = remove_unneeded();
    if (changed) changed = removed;
    return changed ? changed : context(holds, changed.error());
}

} // namespace bpfport
