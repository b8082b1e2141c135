// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/root_hooks.hpp"

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "bpfport/meta.h"
#include "bpfport/root_cgroup.h"
#include "engine/cgroup_object.hpp"
#include "engine/upgrade.hpp"
#include "kernel/bpf.hpp"
#include "kernel/cgroup.hpp"
#include "state/cgroup_attachment.hpp"
#include "state/instance.hpp"
#include "state/sklookup_attachment.hpp"

namespace bpfport {

namespace fs = std::filesystem;

namespace {

constexpr Hook kLocalClientHooks[] = {
    // In this order: a client whose call is redirected must find the hooks that answer for its peer.
    {"lc_peername4", "link_lc_peername4", BPF_CGROUP_INET4_GETPEERNAME},
    {"lc_peername6", "link_lc_peername6", BPF_CGROUP_INET6_GETPEERNAME},
    {"lc_recvmsg4", "link_lc_recvmsg4", BPF_CGROUP_UDP4_RECVMSG},
    {"lc_recvmsg6", "link_lc_recvmsg6", BPF_CGROUP_UDP6_RECVMSG},
    {"lc_sendmsg4", "link_lc_sendmsg4", BPF_CGROUP_UDP4_SENDMSG},
    {"lc_sendmsg6", "link_lc_sendmsg6", BPF_CGROUP_UDP6_SENDMSG},
    {"lc_connect4", "link_lc_connect4", BPF_CGROUP_INET4_CONNECT},
    {"lc_connect6", "link_lc_connect6", BPF_CGROUP_INET6_CONNECT}};

constexpr Hook kGuardHooks[] = {{"guard_bind4", "link_guard_bind4", BPF_CGROUP_INET4_BIND},
                                {"guard_bind6", "link_guard_bind6", BPF_CGROUP_INET6_BIND}};

// Makes the links that `directory` lacks.
Result<void> attach_hooks(const fs::path& directory, const RootPrograms& programs) {
    auto cgroup = open_root_cgroup();
    if (!cgroup) return std::unexpected(cgroup.error());
    for (const auto& hook : programs.hooks)
        BP_TRY(attach_hook(directory, hook, *cgroup), "root cgroup");
    return {};
}

Result<void> make(Store& store, const RootPrograms& programs) {
    auto staging = store.stage();
    if (!staging) return std::unexpected(staging.error());
    if (auto loaded = programs.load(staging->path(), store.path(kHostDirectory), {}); !loaded)
        return loaded;
    bp_root_meta meta{BP_ABI, 0, cgroup_object_build()};
    BP_TRY(staging->directory().describe(meta), "root cgroup");
    if (auto attached = attach_hooks(staging->path(), programs); !attached) return attached;
    return staging->publish(programs.directory);
}

Result<void> upgrade(Store& store, const RootPrograms& programs) {
    auto directory = store.path(programs.directory);
    BP_TRY(upgrade_hooks(store, directory, programs.hooks,
                         [&](const fs::path& staging) {
                             return programs.load(staging, store.path(kHostDirectory), directory);
                         }),
           programs.directory);
    return {};
}

bool has_programs(const fs::path& directory, const RootPrograms& programs) {
    return std::ranges::all_of(
        programs.hooks, [&](const Hook& hook) { return bool(open_pin(directory / hook.program)); });
}

} // namespace

const RootPrograms kLocalClientPrograms{kLocalClientsDirectory, kLocalClientHooks,
                                        &load_local_clients_object};
const RootPrograms kGuardPrograms{kGuardDirectory, kGuardHooks, &load_guard_object};

Result<void> ensure_host(Store& store) {
    bool there = store.has(kHostDirectory);
    std::vector<std::string> missing;
    for (const char* pin : {pins::kHostLease, pins::kOrigPorts, pins::kSocknameSet, pins::kLocals})
        if (!store.has(std::string(kHostDirectory) + "/" + pin)) missing.emplace_back(pin);
    if (there && missing.empty()) return {};
    auto staging = store.stage();
    if (!staging) return std::unexpected(staging.error());
    if (auto loaded = load_host_maps(staging->path()); !loaded) return loaded;
    if (!there) return staging->publish(kHostDirectory);
    // Made by a version that had no such maps; its programs are replaced by the same command.
    for (const auto& pin : missing)
        if (rename((staging->path() / pin).c_str(), (store.path(kHostDirectory) / pin).c_str()) !=
            0)
            return system_error(fmt::format("add map {} to host/", pin));
    return {};
}

Result<void> ensure_root_programs(Store& store, const RootPrograms& programs) {
    if (auto there = ensure_host(store); !there) return there;
    if (!store.has(programs.directory)) return make(store, programs);
    const Directory directory(store.path(programs.directory));
    auto meta = directory.meta<bp_root_meta>();
    if (!meta) return std::unexpected(meta.error());
    bool current = meta->build == cgroup_object_build();
    if (current && root_programs_alive(store, programs)) return {};
    if (!current || !has_programs(directory.path(), programs)) {
        if (auto upgraded = upgrade(store, programs); !upgraded) return upgraded;
        meta->build = cgroup_object_build();
        BP_TRY(directory.describe_anew(*meta), programs.directory);
    }
    return attach_hooks(directory.path(), programs);
}

bool root_programs_alive(const Store& store, const RootPrograms& programs) {
    return std::ranges::all_of(programs.hooks, [&](const Hook& hook) {
        return linked_program(store.path(programs.directory), hook);
    });
}

Result<void> remove_unreadable_root_programs(Store& store) {
    for (const char* name :
         {kLocalClientsDirectory, kGuardDirectory, kLocalClientsDirectoryOfAbi2}) {
        if (!store.has(name) || Directory(store.path(name)).meta<bp_root_meta>()) continue;
        BP_TRY(store.remove(name), name);
    }
    return {};
}

Result<void> remove_unused_host(Store& store) {
    if (store.has(kLocalClientsDirectory) || store.has(kGuardDirectory)) return {};
    for (const auto& entry : store.entries())
        if (std::uint64_t id = 0;
            parse_cgroup_attachment_name(entry, id) || parse_sklookup_name(entry, id))
            return {};
    return store.remove(kHostDirectory);
}

} // namespace bpfport
