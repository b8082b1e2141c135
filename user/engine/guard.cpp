// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/guard.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "engine/cgroup_object.hpp"
#include "engine/guard_check.hpp"
#include "engine/root_hooks.hpp"
#include "kernel/bpf.hpp"
#include "kernel/cgroup_lookup.hpp"
#include "kernel/map.hpp"
#include "kernel/netns.hpp"
#include "kernel/process.hpp"
#include "rule/raw_protocol.hpp"
#include "state/cgroup_attachment.hpp"
#include "state/instance.hpp"
#include "state/port_bits.hpp"

namespace bpfport {

namespace {

bp_guard_key key_of(std::uint64_t cookie, std::uint16_t port, Protocol protocol) {
    bp_guard_key key{};
    key.netns_cookie = cookie;
    key.port = port;
    key.proto = raw_protocol(protocol);
    return key;
}

bp_guard_key key_of(const Guard& guard) {
    return key_of(guard.netns_cookie, guard.port, guard.protocol);
}

template <typename Visit> void each_port(PortRange range, Visit visit) {
    for (unsigned port = range.first; port <= range.last; port++)
        visit(static_cast<std::uint16_t>(port));
}

bp_guard entry_for(const Owner& owner, std::uint64_t netns) {
    bp_guard entry{};
    entry.netns = netns;
    if (owner.user) {
        entry.kind = BP_GUARD_USER;
        entry.uid = *owner.user;
    } else {
        entry.kind = BP_GUARD_CGROUP;
        entry.cgroup = owner.cgroup.id;
        entry.level = static_cast<std::uint16_t>(owner.cgroup.level());
    }
    return entry;
}

struct GuardMaps {
    Fd entries;
    PortBits bits;
};

Result<GuardMaps> open_maps(const Store& store) {
    auto directory = store.path(kGuardDirectory);
    auto entries = open_pin(directory / pins::kGuards);
    if (!entries) return std::unexpected(entries.error());
    auto ports = open_pin(directory / pins::kPortBitmap);
    if (!ports) return std::unexpected(ports.error());
    auto bits = PortBits::open(*ports);
    if (!bits) return std::unexpected(bits.error());
    return GuardMaps{std::move(*entries), std::move(*bits)};
}

Result<void> write(GuardMaps& maps, const bp_guard_key& key, const bp_guard& entry) {
    maps.bits.set(key.proto, key.port); // says where to look, so it is there first
    if (bpf_map_update_elem(maps.entries.get(), &key, &entry, BPF_ANY) != 0)
        return system_error(fmt::format("guard port {}", key.port));
    return {};
}

// Ports that rules have: as (namespace, port, protocol, listen or target).
using Used = std::set<std::tuple<std::uint64_t, std::uint16_t, Protocol, bool>>;

void add_used(Used& used, std::uint64_t cookie, const Rule& rule) {
    each_port(rule.listen(), [&](std::uint16_t port) {
        used.emplace(cookie, port, rule.protocol(), true);
        used.emplace(cookie, rule.target_of(port), rule.protocol(), false);
    });
}

Used used_ports(const Store& store) {
    Used used;
    for (const auto& attachment : cgroup_attachments(store, Store::Access::kRead))
        for (const auto& rule : attachment.content().rules)
            add_used(used, rule.netns_cookie, rule.rule);
    for (const auto& entry : store.entries()) {
        std::uint64_t netns = 0;
        if (!parse_instance_name(entry, netns)) continue;
        auto instance = Instance::open(store, netns, Store::Access::kRead);
        if (!instance) continue;
        for (const auto& rule : instance->table().rules())
            add_used(used, instance->meta().netns_cookie, rule.rule);
    }
    return used;
}

} // namespace

std::string Guard::port_text() const {
    return fmt::format("{}{}", port, protocol == Protocol::kUdp ? "/udp" : "");
}

std::optional<Owner> Guard::owner() const {
    if (entry.kind == BP_GUARD_USER) return Owner{entry.uid, {}};
    auto path = entry.kind == BP_GUARD_CGROUP ? path_of_cgroup(entry.cgroup) : std::nullopt;
    auto cgroup = path ? open_cgroup(*path) : failure("gone");
    return cgroup ? std::optional(Owner{std::nullopt, *cgroup}) : std::nullopt;
}

std::string Guard::owner_text() const {
    if (entry.kind == BP_GUARD_RESERVE) return "nobody";
    if (entry.kind == BP_GUARD_USER) return fmt::format("user {}", user_name(entry.uid));
    auto path = path_of_cgroup(entry.cgroup);
    return path ? fmt::format("cgroup:{}", *path) : fmt::format("cgroup {} (gone)", entry.cgroup);
}

namespace {

using Entries = std::vector<std::pair<bp_guard_key, bp_guard>>;

// The guards of the targets that change.
Entries moved_guards(const GuardMaps& maps, const GuardedRules& rules) {
    Entries moved;
    const std::uint64_t cookie = current_netns_cookie();
    for (const auto& [before, after] : rules.replaced)
        each_port(before.listen(), [&](std::uint16_t port) {
            bp_guard entry{};
            auto old = key_of(cookie, before.target_of(port), before.protocol());
            if (bpf_map_lookup_elem(maps.entries.get(), &old, &entry) != 0) return;
            entry.denied = 0;
            moved.emplace_back(key_of(cookie, after.target_of(port), after.protocol()), entry);
        });
    return moved;
}

// On error the entries are as before. `check` comes last: it sees a port that was bound in between.
Result<void> write_all(GuardMaps& maps, const Entries& entries, auto check) {
    std::vector<std::pair<bp_guard_key, std::optional<bp_guard>>> before;
    Result<void> done;
    for (const auto& [key, entry] : entries) {
        bp_guard known{};
        bool there = bpf_map_lookup_elem(maps.entries.get(), &key, &known) == 0;
        before.emplace_back(key, there ? std::optional(known) : std::nullopt);
        if (done = write(maps, key, entry); !done) break;
    }
    if (done) done = check();
    if (done) return done;
    for (const auto& [key, entry] : before)
        if (entry)
            bpf_map_update_elem(maps.entries.get(), &key, &*entry, BPF_ANY);
        else
            bpf_map_delete_elem(maps.entries.get(), &key);
    return done;
}

// The owner of a guard must be able to hold the port that it moves to, as for a new guard.
Result<void> check_moved(const Store& store, const GuardRequest& request, const GuardedRules& rules,
                         const HostFacts& facts) {
    if (request.owner || !store.has(kGuardDirectory)) return {}; // checked as requested
    for (const auto& guard : guards(store))
        for (const auto& [before, after] : rules.replaced) {
            if (guard.netns_cookie != current_netns_cookie() ||
                guard.protocol != before.protocol() || !before.target().contains(guard.port))
                continue;
            auto owner = guard.owner();
            if (!owner) continue;
            if (auto checked = check_guard({*owner, false}, {after}, facts); !checked)
                return checked;
        }
    return {};
}

} // namespace

Result<std::vector<Guard>> requested_guards(const GuardRequest& request,
                                            const std::vector<Rule>& rules) {
    auto netns = current_netns_inode();
    if (!netns) return std::unexpected(netns.error());
    const std::uint64_t cookie = current_netns_cookie();
    bp_guard reserved{};
    reserved.netns = *netns;
    reserved.kind = BP_GUARD_RESERVE;
    std::vector<Guard> wanted;
    for (const auto& rule : rules) {
        auto put = [&](PortRange ports, const bp_guard& entry) {
            each_port(ports, [&](std::uint16_t port) {
                wanted.push_back({cookie, port, rule.protocol(), entry});
            });
        };
        if (request.owner) put(rule.target(), entry_for(*request.owner, *netns));
        if (request.reserve) put(rule.listen(), reserved);
    }
    return wanted;
}

bool same_guard(const Guard& left, const Guard& right) {
    return left.netns_cookie == right.netns_cookie && left.port == right.port &&
           left.protocol == right.protocol && left.entry.kind == right.entry.kind &&
           left.entry.uid == right.entry.uid && left.entry.cgroup == right.entry.cgroup;
}

Result<void> set_guards(Store& store, const std::vector<Guard>& wanted) {
    if (wanted.empty() && !store.has(kGuardDirectory)) return {};
    if (auto there = ensure_root_programs(store, kGuardPrograms); !there) return there;
    auto maps = open_maps(store);
    if (!maps) return std::unexpected(maps.error());
    const auto key_order = [](const Guard& left, const Guard& right) {
        return std::tie(left.netns_cookie, left.port, left.protocol) <
               std::tie(right.netns_cookie, right.port, right.protocol);
    };
    const std::set<Guard, decltype(key_order)> after(wanted.begin(), wanted.end(), key_order);
    const auto list = guards(store);
    const std::set<Guard, decltype(key_order)> before(list.begin(), list.end(), key_order);
    for (const auto& guard : before)
        if (const auto key = key_of(guard); !after.contains(guard))
            bpf_map_delete_elem(maps->entries.get(), &key);
    for (const auto& guard : after) {
        auto known = before.find(guard);
        if (known != before.end() && same_guard(*known, guard)) continue;
        if (auto put = write(*maps, key_of(guard), guard.entry); !put) return put;
    }
    return {};
}

Result<void> put_guards(Store& store, const GuardRequest& request, const GuardedRules& rules,
                        const HostFacts& facts) {
    if (auto checked = check_guard(request, rules.rules, facts); !checked) return checked;
    if (auto checked = check_moved(store, request, rules, facts); !checked) return checked;
    if (request.empty() && !store.has(kGuardDirectory)) return {};
    if (!request.empty())
        if (auto there = ensure_root_programs(store, kGuardPrograms); !there) return there;
    auto maps = open_maps(store);
    if (!maps) return std::unexpected(maps.error());
    auto entries = moved_guards(*maps, rules);
    auto requested = requested_guards(request, rules.rules);
    if (!requested) return std::unexpected(requested.error());
    for (const auto& guard : *requested) entries.emplace_back(key_of(guard), guard.entry);
    return write_all(*maps, entries, [&] {
        return request.owner ? check_holders(*request.owner, rules.rules) : Result<void>{};
    });
}

Result<void> reconcile_guards(Store& store) {
    if (!store.has(kGuardDirectory)) return {};
    auto used = used_ports(store);
    auto maps = open_maps(store);
    if (!maps) return std::unexpected(maps.error());
    bp_port_bitmap left{};
    bool any = false;
    for (const auto& guard : guards(store)) {
        bool listen = guard.entry.kind == BP_GUARD_RESERVE;
        auto key = key_of(guard);
        if (used.contains({guard.netns_cookie, guard.port, guard.protocol, listen})) {
            set_port(left, key.proto, key.port);
            any = true;
        } else {
            bpf_map_delete_elem(maps->entries.get(), &key);
        }
    }
    if (!any) return store.remove(kGuardDirectory);
    maps->bits.assign(left);
    return ensure_root_programs(store, kGuardPrograms);
}

std::vector<Guard> guards(const Store& store) {
    std::vector<Guard> found;
    auto map = open_pin(store.path(kGuardDirectory) / pins::kGuards);
    if (!map) return found;
    for (const auto& key : keys_of<bp_guard_key>(*map)) {
        Guard guard{key.netns_cookie, key.port, protocol_of(key.proto), {}};
        if (bpf_map_lookup_elem(map->get(), &key, &guard.entry) == 0) found.push_back(guard);
    }
    std::ranges::sort(found, {}, [](const Guard& guard) {
        return std::tuple(guard.netns_cookie, guard.protocol, guard.port);
    });
    return found;
}

} // namespace bpfport
