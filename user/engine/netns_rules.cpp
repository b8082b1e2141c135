// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/netns_rules.hpp"

#include <algorithm>
#include <future>
#include <iterator>
#include <list>
#include <map>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "bpfport/counters.h"
#include "engine/address_list.hpp"
#include "engine/registry.hpp"
#include "engine/tc_object.hpp"
#include "kernel/bpf.hpp"
#include "kernel/heap.hpp"
#include "kernel/map.hpp"
#include "kernel/netns.hpp"
#include "state/rule_counters.hpp"
#include "state/unreadable.hpp"

namespace bpfport {

namespace {

constexpr std::size_t kManyRules = 4096;

} // namespace

Result<NetnsRules> NetnsRules::open(Store& store) {
    auto netns = current_netns_inode();
    if (!netns) return std::unexpected(netns.error());
    if (auto readable = refuse_unreadable(store, *netns); !readable)
        return std::unexpected(readable.error());
    NetnsRules keeper(store, *netns);
    auto list = interfaces();
    if (!list) return std::unexpected(list.error());
    keeper.interfaces_ = std::move(*list);
    if (!store.has(instance_name(*netns))) return keeper;
    if (auto opened = keeper.open_instance(); !opened) return std::unexpected(opened.error());
    return keeper;
}

Result<void> NetnsRules::open_instance() {
    auto instance = Instance::open(*store_, netns_, Store::Access::kChange);
    if (!instance) return std::unexpected(instance.error());
    instance_ = std::move(*instance);
    // What a change of so many rules takes, which else is most of its page faults.
    if (const std::size_t rules = instance_->table().capacity().rules; rules > kManyRules)
        grow_heap(rules * 1024);
    rules_ = instance_->table().rules();
    std::erase_if(rules_, [&](const RuleSpec& rule) {
        return rule.ifindex && !find_interface(interfaces_, rule.ifindex);
    });
    return {};
}

Result<void> NetnsRules::make_instance(const MapSizes& sizes) {
    auto staging = store_->stage();
    if (!staging) return std::unexpected(staging.error());
    if (auto made = make_instance_maps(staging->path(), sizes); !made) return made;
    bp_netns_meta meta{BP_ABI, 0, tc_object_build(), current_netns_cookie(), netns_};
    BP_TRY(staging->directory().describe(meta), "describe the instance");
    if (auto published = staging->publish(instance_name(netns_)); !published) return published;
    return open_instance();
}

// Other programs, the same maps. The build is noted last: killed before, the next command goes on.
Result<void> NetnsRules::upgrade(EngineContext& context) {
    for (const Engine* engine : engines()) BP_TRY(engine->upgrade(context), "upgrade");
    if (auto opened = open_instance(); !opened) return opened;
    bp_netns_meta meta = instance_->meta();
    meta.build = tc_object_build();
    BP_TRY(instance_->directory().describe_anew(meta), "upgrade");
    return open_instance();
}

// If there are other maps then, the programs are to be loaded again: no build is 0.
Result<void> NetnsRules::enlarge(const TableCapacity& wanted) {
    if (instance_->table().capacity().covers(wanted)) return {};
    bp_netns_meta meta = instance_->meta();
    meta.build = 0;
    BP_TRY(instance_->directory().describe_anew(meta), "enlarge the rule table");
    BP_TRY(enlarge_table(*store_, *instance_, wanted), "enlarge the rule table");
    return open_instance();
}

Result<void> NetnsRules::write_addresses() {
    auto map = instance_->open_pin(pins::kAddresses);
    if (!map) return std::unexpected(map.error());
    auto addresses = interface_addresses();
    if (!addresses) return std::unexpected(addresses.error());
    auto written = bpfport::write_addresses(*map, address_owners(*addresses, interfaces_, rules_));
    if (!written) return std::unexpected(written.error());
    warnings_.insert(warnings_.end(), written->begin(), written->end());
    return {};
}

Result<bool> NetnsRules::knows_addresses() const {
    if (!instance_) return true;
    auto map = instance_->open_pin(pins::kAddresses);
    if (!map) return std::unexpected(map.error());
    auto addresses = interface_addresses();
    if (!addresses) return std::unexpected(addresses.error());
    std::map<Address, std::uint32_t> known;
    for (const auto& address : keys_of<Address>(*map))
        if (std::uint32_t owner = 0;
            bpf_map_lookup_elem(map->get(), address.bytes.data(), &owner) == 0)
            known.emplace(address, owner);
    return known == address_owners(*addresses, interfaces_, rules_);
}

EngineContext NetnsRules::context(HookChoice hook) {
    return {*store_, *instance_, interfaces_, rules_, hook, warnings_};
}

HookKind NetnsRules::hook_kind(const std::vector<RuleSpec>& rules, HookChoice choice) const {
    return TcHooks(*store_, netns_, interfaces_).kind(rules, choice);
}

// A table for the rules, and programs that read it.
Result<void> NetnsRules::make_room(const TableCapacity& wanted, const ApplyOptions& options) {
    if (instance_) {
        if (auto room = enlarge(wanted); !room) return room;
    } else {
        auto sizes = options.sizes;
        sizes.table = wanted;
        BP_TRY(make_instance(sizes), "set up this network namespace");
    }
    auto context = this->context(options.hook);
    if (instance_->meta().build != tc_object_build())
        BP_TRY(upgrade(context), "set up this network namespace");
    return {};
}

Result<void> NetnsRules::prepare(const std::vector<RuleSpec>& rules, const ApplyOptions& options) {
    auto context = this->context(options.hook);
    warnings_.clear();
    // Some wait for the kernel, others for the verifier: each tcx link takes a grace period of RCU.
    // Nothing of it is used before the rules are published. Without a thread, one comes after the other.
    struct Beside {
        std::vector<Warning> warnings;
        std::future<Result<void>> done;
    };
    std::list<Beside> beside;
    for (const Engine* engine : engines()) {
        if (!engine->prepares_beside(rules)) continue;
        auto& one = beside.emplace_back();
        one.done = std::async([&, engine] {
            EngineContext own{*store_, *instance_, interfaces_, rules_, options.hook, one.warnings};
            return engine->prepare(own, rules);
        });
    }
    Result<void> done;
    for (const Engine* engine : engines())
        if (done && !engine->prepares_beside(rules)) done = engine->prepare(context, rules);
    for (auto& one : beside) {
        auto prepared = one.done.get();
        if (done) done = prepared;
        std::ranges::move(one.warnings, std::back_inserter(warnings_));
    }
    return done;
}

// A new rule counts from zero, whatever rule had its id before.
Result<void> NetnsRules::publish(const TableChange& change) {
    auto counters = RuleCounters::open(instance_->path());
    if (!counters) return std::unexpected(counters.error());
    for (std::uint16_t id : change.new_ids) BP_TRY(counters->clear(id), "new rule");
    return instance_->table().commit(change);
}

Result<void> NetnsRules::bring_to(std::vector<RuleSpec>& rules, const ApplyOptions& options) {
    if (!instance_ && rules.empty()) return {};
    auto change = instance_ ? instance_->table().plan(rules, slot_bits)
                            : Table::plan_first(options.sizes.table, rules, slot_bits);
    if (!change) return std::unexpected(change.error());
    if (!rules.empty()) {
        if (auto room = make_room(change->capacity, options); !room) return room;
        if (auto prepared = prepare(rules, options); !prepared) return prepared;
    }
    bool noted = false;
    for (auto& rule : rules) {
        const auto before = rule.flags;
        engine_of(rule).note(*instance_, rule);
        noted |= rule.flags != before;
    }
    if (noted) change->side = build_side(rules, slot_bits);
    return publish(*change);
}

Result<void> NetnsRules::release() {
    if (instance_) {
        auto context = this->context(HookChoice::kAuto);
        for (const Engine* engine : engines()) BP_TRY(engine->release(context, rules_), "clean up");
        if (!rules_.empty()) return {};
    }
    instance_.reset();
    return store_->remove(instance_name(netns_));
}

Result<void> NetnsRules::settle() {
    if (rules_.empty()) return {};
    if (auto written = write_addresses(); !written) return written;
    auto context = this->context(HookChoice::kAuto);
    for (const Engine* engine : engines())
        if (auto settled = engine->settle(context, rules_); !settled) return settled;
    return {};
}

Result<void> NetnsRules::apply(std::vector<RuleSpec> rules, const ApplyOptions& options) {
    auto changed = bring_to(rules, options);
    if (!changed) {
        (void)release(); // what was made for nothing
        return changed;
    }
    rules_ = std::move(rules);
    const char* holds = rules_.empty() ? "no rule is in force any more, but not all is cleaned up"
                                       : "the rules are in force as asked, but not all is done";
    changed = settle();
    auto released = release();
    if (changed) changed = released;
    return changed ? changed : bpfport::context(holds, changed.error());
}

} // namespace bpfport
