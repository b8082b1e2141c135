// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/root_hooks.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "bpfport/meta.h"
#include "bpfport/neighbours.h"
#include "engine/cgroup_object.hpp"
#include "kernel/bpf.hpp"
#include "kernel/cgroup.hpp"
#include "state/cgroup_attachment.hpp"
#include "state/instance.hpp"
#include "state/sklookup_attachment.hpp"

namespace bpfport {

namespace fs = std::filesystem;

namespace {

constexpr HookSpec kNeighbourHooks[] = {
    // In this order: a client whose call is redirected must find the hooks that answer for its peer.
    {"n_peername4", BPF_CGROUP_INET4_GETPEERNAME}, {"n_peername6", BPF_CGROUP_INET6_GETPEERNAME},
    {"n_recvmsg4", BPF_CGROUP_UDP4_RECVMSG},       {"n_recvmsg6", BPF_CGROUP_UDP6_RECVMSG},
    {"n_sendmsg4", BPF_CGROUP_UDP4_SENDMSG},       {"n_sendmsg6", BPF_CGROUP_UDP6_SENDMSG},
    {"n_connect4", BPF_CGROUP_INET4_CONNECT},      {"n_connect6", BPF_CGROUP_INET6_CONNECT}};

constexpr HookSpec kGuardHooks[] = {{"g_bind4", BPF_CGROUP_INET4_BIND},
                                    {"g_bind6", BPF_CGROUP_INET6_BIND}};

std::string link_name(const HookSpec& hook) { return fmt::format("link_{}", hook.program); }

Result<void> make(Store& store, const RootPrograms& programs) {
    auto root = root_cgroup();
    if (!root) return std::unexpected(root.error());
    auto cgroup = open_directory(*root);
    if (!cgroup) return std::unexpected(cgroup.error());
    auto staging = store.stage();
    if (!staging) return std::unexpected(staging.error());
    if (auto loaded = programs.load(staging->path(), store.path(kHostDirectory), {}); !loaded)
        return loaded;
    bp_root_meta meta{BP_ABI, 0, cgroup_object_build()};
    BP_TRY(staging->directory().describe(meta), "root cgroup");
    for (const auto& hook : programs.hooks) {
        auto program = open_pin(staging->path() / hook.program);
        if (!program) return std::unexpected(program.error());
        BP_TRY(attach_link(*program, *cgroup, hook.type, staging->path() / link_name(hook)),
               "root cgroup");
    }
    return staging->publish(programs.directory);
}

bool is_linked(const fs::path& directory, const HookSpec& hook) {
    auto link = open_pin(directory / link_name(hook));
    if (!link) return false;
    auto info = link_info(*link);
    return info && info->target && info->program_id;
}

// Makes the links and programs again that were detached or unpinned.
Result<void> restore_links(Store& store, const RootPrograms& programs) {
    auto directory = store.path(programs.directory);
    for (const auto& hook : programs.hooks) {
        if (is_linked(directory, hook)) continue;
        if (!open_pin(directory / hook.program))
            BP_TRY(upgrade_programs(store, directory, programs.hooks, programs.load),
                   programs.directory);
        auto program = open_pin(directory / hook.program);
        if (!program) return std::unexpected(program.error());
        auto root = root_cgroup();
        if (!root) return std::unexpected(root.error());
        auto cgroup = open_directory(*root);
        if (!cgroup) return std::unexpected(cgroup.error());
        unlink((directory / link_name(hook)).c_str());
        BP_TRY(attach_link(*program, *cgroup, hook.type, directory / link_name(hook)),
               "root cgroup");
    }
    return {};
}

} // namespace

const RootPrograms kNeighbourPrograms{kNeighboursDirectory, kNeighbourHooks,
                                      &load_neighbours_object};
const RootPrograms kGuardPrograms{kGuardDirectory, kGuardHooks, &load_guard_object};

Result<void> ensure_host(Store& store) {
    bool there = store.has(kHostDirectory);
    std::vector<std::string> missing;
    for (const char* pin : {pins::kTold, pins::kLocals})
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
    if (meta->build == cgroup_object_build()) return restore_links(store, programs);
    BP_TRY(upgrade_programs(store, directory.path(), programs.hooks, programs.load),
           programs.directory);
    meta->build = cgroup_object_build();
    BP_TRY(directory.describe_anew(*meta), programs.directory);
    return restore_links(store, programs);
}

bool root_programs_alive(const Store& store, const RootPrograms& programs) {
    return std::ranges::all_of(programs.hooks, [&](const HookSpec& hook) {
        return is_linked(store.path(programs.directory), hook);
    });
}

Result<void> upgrade_programs(Store& store, const std::filesystem::path& directory,
                              std::span<const HookSpec> hooks, Loader load) {
    auto staging = store.stage();
    if (!staging) return std::unexpected(staging.error());
    if (auto loaded = load(staging->path(), store.path(kHostDirectory), directory); !loaded)
        return loaded;
    for (const auto& hook : hooks) {
        auto program = open_pin(staging->path() / hook.program);
        if (!program) return std::unexpected(program.error());
        if (auto link = open_pin(directory / link_name(hook)))
            if (bpf_link_update(link->get(), program->get(), nullptr) != 0)
                return system_error(fmt::format("upgrade: update {}", link_name(hook)));
        if (rename((staging->path() / hook.program).c_str(), (directory / hook.program).c_str()))
            return system_error(fmt::format("upgrade: replace {}", hook.program));
    }
    return {};
}

Result<void> remove_unused_host(Store& store) {
    if (store.has(kNeighboursDirectory) || store.has(kGuardDirectory)) return {};
    for (const auto& entry : store.entries())
        if (std::uint64_t id = 0;
            parse_cgroup_attachment_name(entry, id) || parse_sklookup_name(entry, id))
            return {};
    return store.remove(kHostDirectory);
}

} // namespace bpfport
