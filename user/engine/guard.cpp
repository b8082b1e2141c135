// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/guard.hpp"

#include <pwd.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <tuple>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "engine/cgroup_object.hpp"
#include "engine/guard_check.hpp"
#include "engine/root_hooks.hpp"
#include "kernel/bpf.hpp"
#include "kernel/cgroup_lookup.hpp"
#include "kernel/netns.hpp"
#include "kernel/process.hpp"
#include "state/cgroup_attachment.hpp"
#include "state/instance.hpp"
#include "state/port_bits.hpp"

namespace bpfport {

namespace {

std::uint8_t raw(Protocol protocol) { return protocol == Protocol::kTcp ? BP_TCP : BP_UDP; }

bp_guard_key key_of(std::uint64_t cookie, std::uint16_t port, Protocol protocol) {
    bp_guard_key key{};
    key.netns_cookie = cookie;
    key.port = port;
    key.proto = raw(protocol);
    return key;
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
    auto ports = open_pin(directory / pins::kPorts);
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

std::string Owner::to_string() const {
    return user ? fmt::format("user {}", user_name(*user)) : fmt::format("cgroup {}", cgroup.path);
}

Result<Owner> parse_owner(std::string_view text) {
    constexpr auto kForm = "an owner is a user (www-data, 33) or a cgroup (cgroup:/web.slice, "
                           "unit:web, container:ID, user:deploy)";
    if (text.find(':') != text.npos || text.starts_with('/')) {
        auto scope = parse_scope(text);
        if (!scope) return std::unexpected(scope.error());
        auto cgroup = find_cgroup(*scope);
        if (!cgroup) return std::unexpected(cgroup.error());
        return Owner{std::nullopt, *cgroup};
    }
    uid_t uid = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), uid);
    if (error == std::errc{} && end == text.data() + text.size()) return Owner{uid, {}};
    const passwd* user = getpwnam(std::string(text).c_str());
    if (!user) return usage_error(fmt::format("no user {:?}", text), kForm);
    return Owner{user->pw_uid, {}};
}

std::string Guard::port_text() const {
    return fmt::format("{}{}", port, protocol == Protocol::kUdp ? "/udp" : "");
}

std::string Guard::owner_text() const {
    if (entry.kind == BP_GUARD_RESERVE) return "nobody";
    if (entry.kind == BP_GUARD_USER) return fmt::format("user {}", user_name(entry.uid));
    auto path = path_of_cgroup(entry.cgroup);
    return path ? fmt::format("cgroup:{}", *path) : fmt::format("cgroup {} (gone)", entry.cgroup);
}

Result<void> add_guards(Store& store, const GuardRequest& request, const std::vector<Rule>& rules) {
    if (request.empty()) return {};
    auto netns = current_netns_inode();
    if (!netns) return std::unexpected(netns.error());
    if (auto there = ensure_root_programs(store, kGuardPrograms); !there) return there;
    auto maps = open_maps(store);
    if (!maps) return std::unexpected(maps.error());
    std::uint64_t cookie = current_netns_cookie();
    bp_guard reserved{};
    reserved.netns = *netns;
    reserved.kind = BP_GUARD_RESERVE;
    Result<void> done;
    std::vector<std::pair<bp_guard_key, std::optional<bp_guard>>> before;
    auto put = [&](std::uint16_t port, Protocol protocol, const bp_guard& entry) {
        if (!done) return;
        auto key = key_of(cookie, port, protocol);
        bp_guard known{};
        bool there = bpf_map_lookup_elem(maps->entries.get(), &key, &known) == 0;
        before.emplace_back(key, there ? std::optional(known) : std::nullopt);
        done = write(*maps, key, entry);
    };
    for (const auto& rule : rules) {
        if (request.owner)
            each_port(rule.target(), [&](std::uint16_t port) {
                put(port, rule.protocol(), entry_for(*request.owner, *netns));
            });
        if (request.reserve)
            each_port(rule.listen(),
                      [&](std::uint16_t port) { put(port, rule.protocol(), reserved); });
    }
    // A socket bound between the first look and the guard's entry.
    if (done && request.owner) done = check_holders(*request.owner, rules);
    if (done) return done;
    for (const auto& [key, entry] : before)
        if (entry)
            bpf_map_update_elem(maps->entries.get(), &key, &*entry, BPF_ANY);
        else
            bpf_map_delete_elem(maps->entries.get(), &key);
    return done;
}

Result<void> move_guards(Store& store, const Rule& before, const Rule& after) {
    if (!store.has(kGuardDirectory)) return {};
    auto maps = open_maps(store);
    if (!maps) return std::unexpected(maps.error());
    std::uint64_t cookie = current_netns_cookie();
    Result<void> done;
    each_port(before.listen(), [&](std::uint16_t port) {
        bp_guard entry{};
        auto old = key_of(cookie, before.target_of(port), before.protocol());
        if (!done || bpf_map_lookup_elem(maps->entries.get(), &old, &entry) != 0) return;
        entry.denied = 0;
        done = write(*maps, key_of(cookie, after.target_of(port), after.protocol()), entry);
    });
    return done;
}

Result<void> reconcile_guards(Store& store) {
    if (!store.has(kGuardDirectory)) return {};
    auto used = used_ports(store);
    auto maps = open_maps(store);
    if (!maps) return std::unexpected(maps.error());
    bp_ports left{};
    bool any = false;
    for (const auto& guard : guards(store)) {
        bool listen = guard.entry.kind == BP_GUARD_RESERVE;
        auto key = key_of(guard.netns_cookie, guard.port, guard.protocol);
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
    bp_guard_key key{}, next{};
    for (const void* at = nullptr; bpf_map_get_next_key(map->get(), at, &next) == 0; at = &key) {
        key = next;
        Guard guard{
            key.netns_cookie, key.port, key.proto == BP_TCP ? Protocol::kTcp : Protocol::kUdp, {}};
        if (bpf_map_lookup_elem(map->get(), &key, &guard.entry) == 0) found.push_back(guard);
    }
    std::ranges::sort(found, {}, [](const Guard& guard) {
        return std::tuple(guard.netns_cookie, guard.protocol, guard.port);
    });
    return found;
}

} // namespace bpfport
