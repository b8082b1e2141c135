// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/tc_hooks.hpp"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <future>

#include "bpfport/meta.h"
#include "engine/registry.hpp"
#include "engine/tc_programs.hpp"
#include "engine/upgrade.hpp"
#include "kernel/bpf.hpp"
#include "kernel/tc_hook.hpp"
#include "state/unreadable.hpp"

namespace bpfport {

namespace {

constexpr unsigned kLoopback = 1; // LOOPBACK_IFINDEX

bool wants_loopback(const RuleSpec& rule) {
    return rule.ifindex == kLoopback || !rule.has(BP_RULE_NO_LOCAL) || rule.has(BP_RULE_EXCLUSIVE);
}

// The link that was reserved there, or a new one.
Result<Link> give_program(ReservedLinks& reserved, const Fd& program, unsigned ifindex,
                          Direction direction) {
    auto held = reserved.extract({ifindex, direction});
    if (held && held.mapped().update(program)) return std::move(held.mapped());
    return attach_tcx(program, ifindex, direction);
}

// The tcx links of those interfaces, as far as they can be made: what fails is left to hook(), which says so.
ReservedLinks reserve(const std::vector<const Interface*>& interfaces) {
    ReservedLinks reserved;
    for (const Interface* interface : interfaces)
        for (Direction direction : {Direction::kEgress, Direction::kIngress})
            if (auto link = reserve_tcx(interface->ifindex, direction))
                reserved.insert_or_assign({interface->ifindex, direction}, std::move(*link));
    return reserved;
}

} // namespace

void add_tc_hooks(const RuleSpec& rule, const std::vector<Interface>& interfaces,
                  WantedHooks& wanted) {
    if (wants_loopback(rule)) wanted.tc.insert(kLoopback);
    for (const auto& interface : interfaces)
        if (interface.ifindex == rule.ifindex || (!rule.ifindex && interface.ifindex != kLoopback))
            wanted.tc.insert(interface.ifindex);
}

// The way out before the way in: what is redirected already finds its way back.
Result<void> TcHooks::hook(Instance& instance, const Interface& interface, bp_hook kind,
                           ReservedLinks& reserved) {
    LinkLayer layer = link_layer(interface);
    BP_TRY(load_missing_programs(store_, instance, layer), interface.name);
    auto staging = store_.stage();
    if (!staging) return std::unexpected(staging.error());
    bool tcx = kind == BP_HOOK_TCX;
    bp_attachment_meta meta{};
    meta.abi = BP_ABI;
    meta.hook = kind;
    meta.ifindex = interface.ifindex;
    // A fixed handle makes attaching twice a replacement; the priorities put us first in, last out.
    meta.handle = kClsactHandle;
    meta.ingress_priority = kClsactFirst;
    meta.egress_priority = kClsactLast;
    meta.created = static_cast<std::uint64_t>(std::time(nullptr));
    std::strncpy(meta.ifname, interface.name.c_str(), sizeof(meta.ifname) - 1);
    BP_TRY(staging->directory().describe(meta), "describe the attachment");

    std::string name = tc_name(netns_, interface.ifindex);
    // Filters stay in the kernel by themselves: they are only set once the directory that names
    // them is in place, so that the next command after a kill finds them.
    if (!tcx)
        if (auto published = staging->publish(name); !published) return published;
    for (Direction direction : {Direction::kEgress, Direction::kIngress}) {
        auto program = instance.open_pin(program_pin(layer, direction));
        if (!program) return std::unexpected(program.error());
        if (!tcx) {
            BP_TRY(attach_clsact(*program, clsact_filter(meta, direction)), interface.name);
            continue;
        }
        auto link = give_program(reserved, *program, interface.ifindex, direction);
        if (!link) return context(interface.name, link.error());
        BP_TRY(link->pin(staging->path() / link_pin(direction)), interface.name);
    }
    return tcx ? staging->publish(name) : Result<void>{};
}

Result<void> TcHooks::unhook(const Attachment& attachment) {
    BP_TRY(attachment.detach(), "detach");
    return store_.remove(tc_name(attachment.name().netns, attachment.name().ifindex));
}

// The kernel waits a grace period of RCU for each tcx link, some 10 to 30 ms, and holds the lock of
// all interfaces meanwhile: a thousand interfaces take half a minute, by however many threads. For a
// filter it doesn't wait.
constexpr std::size_t kManyHooks = 32;

std::vector<const Interface*> TcHooks::missing(const std::vector<RuleSpec>& rules) const {
    auto needed = wanted_hooks(rules, interfaces_).tc;
    for (const auto& attachment : attachments(store_, netns_))
        if (attachment.alive()) needed.erase(attachment.name().ifindex);
    std::vector<const Interface*> missing;
    for (const auto& interface : interfaces_)
        if (needed.contains(interface.ifindex)) missing.push_back(&interface);
    return missing;
}

HookKind TcHooks::kind(const std::vector<RuleSpec>& rules, HookChoice choice) const {
    if (choice == HookChoice::kTcx) return {"tcx", "asked for"};
    if (choice == HookChoice::kClsact) return {"clsact", "asked for"};
    if (!tcx_supported()) return {"clsact", "this kernel has no tcx (6.6)"};
    if (this->missing(rules).size() > kManyHooks)
        return {"clsact", "so many tcx links would take long, each a grace period of the kernel; "
                          "--hook tcx makes them"};
    return {"tcx", "this kernel has tcx (6.6), whose links clean up by themselves"};
}

// The kernel waits for the links while it verifies the programs.
Result<ReservedLinks> TcHooks::load(Instance& instance,
                                    const std::vector<const Interface*>& linked) {
    if (has_programs(instance, LinkLayer::kEthernet)) return ReservedLinks{};
    auto reserving = std::async([&] { return reserve(linked); });
    auto loaded = load_missing_programs(store_, instance, LinkLayer::kEthernet);
    auto reserved = reserving.get();
    if (!loaded) return std::unexpected(loaded.error());
    return reserved;
}

Result<void> TcHooks::make(Instance& instance, const std::vector<RuleSpec>& rules,
                           HookChoice choice) {
    for (const auto& attachment : attachments(store_, netns_))
        if (!attachment.alive()) BP_TRY(unhook(attachment), "repair");
    auto missing = this->missing(rules);
    if (missing.empty()) return {}; // sklookup alone serves the rules: no tc program is needed
    bool tcx = choice == HookChoice::kTcx || (choice == HookChoice::kAuto && tcx_supported());
    bool avoids_tcx = choice == HookChoice::kAuto && missing.size() > kManyHooks;
    auto reserved = load(instance, tcx && !avoids_tcx ? missing : std::vector<const Interface*>());
    if (!reserved) return context("set up this network namespace", reserved.error());
    for (const Interface* interface : missing) {
        // Where it would not be first in and last out, the wait is worth it.
        if (tcx && avoids_tcx && clsact_is_as_good(interface->ifindex)) {
            if (hook(instance, *interface, BP_HOOK_CLSACT, *reserved)) continue;
            avoids_tcx = false; // the kernel has no such qdisc
            auto left = Attachment::open(store_, {netns_, interface->ifindex});
            if (left) BP_TRY(unhook(*left), "hook");
        }
        BP_TRY(hook(instance, *interface, tcx ? BP_HOOK_TCX : BP_HOOK_CLSACT, *reserved), "hook");
    }
    return {};
}

// The way out before the way in, on every interface.
Result<void> TcHooks::update(const std::filesystem::path& staging) {
    for (Direction direction : {Direction::kEgress, Direction::kIngress})
        for (const auto& attachment : attachments(store_, netns_)) {
            const Interface* interface = find_interface(interfaces_, attachment.name().ifindex);
            if (!interface) continue;
            auto program = open_pin(staging / program_pin(link_layer(*interface), direction));
            if (!program) return std::unexpected(program.error());
            if (auto updated = attachment.update(direction, *program); !updated) return updated;
        }
    return {};
}

Result<void> TcHooks::upgrade(Instance& instance) {
    bool direct_write = false;
    auto load = [&](const std::filesystem::path& staging) -> Result<void> {
        auto staged = stage_programs(staging, instance);
        if (!staged) return std::unexpected(staged.error());
        direct_write = *staged;
        return {};
    };
    auto upgraded = upgrade_programs(store_, instance.path(), load,
                                     [&](const auto& staging) { return update(staging); });
    return upgraded ? instance.note_direct_write(direct_write) : upgraded;
}

Result<void> TcHooks::remove_unneeded(const std::vector<RuleSpec>& rules) {
    auto needed = wanted_hooks(rules, interfaces_).tc;
    for (const auto& attachment : attachments(store_, netns_))
        if (!needed.contains(attachment.name().ifindex)) BP_TRY(unhook(attachment), "clean up");
    return {};
}

} // namespace bpfport
