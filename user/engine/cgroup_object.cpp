// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/cgroup_object.hpp"

#include <string>
#include <utility>
#include <vector>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpfport/event.h"
#include "bpfport/policy.h"
#include "bpfport/root_cgroup.h"
#include "engine/object_trial.hpp"
#include "kernel/bpf.hpp"
#include "kernel/load_log.hpp"
#include "kernel/object.hpp"
#include "state/cgroup_attachment.hpp"

// These name the types of the headers above.
#include "cgroup.skel.h"
#include "guard.skel.h"
#include "local_clients.skel.h"

namespace bpfport {

namespace fs = std::filesystem;

namespace {

struct MapPin {
    bpf_map* map;
    const char* name;
};

template <typename Skeleton> std::vector<MapPin> host_maps(Skeleton& s) {
    std::vector<MapPin> maps{{s.maps.bp_events, pins::kHostEvents},
                             {s.maps.data_lease, pins::kHostLease}};
    if constexpr (requires { s.maps.bp_orig_ports; })
        maps.insert(maps.end(), {{s.maps.bp_orig_ports, pins::kOrigPorts},
                                 {s.maps.bp_local_prefix, pins::kLocals}});
    if constexpr (requires { s.maps.bp_sockname_set; })
        maps.push_back({s.maps.bp_sockname_set, pins::kSocknameSet});
    return maps;
}

std::vector<MapPin> own_maps(cgroup_bpf& s) {
    return {{s.maps.data_policy, pins::kPolicy},
            {s.maps.bp_calls, pins::kCalls},
            {s.maps.bp_bound, pins::kBound},
            {s.maps.bp_pending, pins::kPending}};
}

std::vector<MapPin> own_maps(local_clients_bpf& s) {
    return {{s.maps.data_bitmap, pins::kPortBitmap}, {s.maps.bp_claims, pins::kClaims}};
}

std::vector<MapPin> own_maps(guard_bpf& s) {
    return {{s.maps.data_bitmap, pins::kPortBitmap}, {s.maps.bp_guards, pins::kGuards}};
}

Result<void> use(const std::vector<MapPin>& maps, const fs::path& directory) {
    for (const auto& [map, name] : maps)
        if (auto used = use_pinned(map, directory / name); !used) return used;
    return {};
}

Result<void> pin_maps(const std::vector<MapPin>& maps, const fs::path& directory) {
    for (const auto& [map, name] : maps)
        if (auto pinned = pin_object(map, directory / name); !pinned) return pinned;
    return {};
}

// Under their names less the "bp_" of all.
template <typename Skeleton> Result<void> pin_programs(Skeleton& s, const fs::path& directory) {
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, s.obj) {
        std::string name = bpf_program__name(program);
        name = name.substr(name.rfind("bp_", 0) == 0 ? 3 : 0);
        if (auto pinned = pin_object(program, directory / name); !pinned) return pinned;
    }
    return {};
}

// With what knows Multipath TCP, or, where the kernel does not (5.19, CONFIG_MPTCP), without.
template <typename Skeleton> struct Attempt {
    Object<Skeleton> object;
    Loaded loaded;
};

template <typename Skeleton> Result<Attempt<Skeleton>> attempt(auto prepare) {
    for (bool mptcp : {true, false}) {
        auto object = Object<Skeleton>::open();
        if (!object) return std::unexpected(object.error());
        constexpr bool knows = requires { (*object)->rodata->bp_mptcp; };
        if constexpr (knows) (*object)->rodata->bp_mptcp = mptcp;
        if (auto prepared = prepare(**object); !prepared) return std::unexpected(prepared.error());
        auto loaded = object->load();
        if (loaded || loaded.error().code == EPERM || !knows || !mptcp)
            return Attempt<Skeleton>{std::move(*object), std::move(loaded)};
    }
    std::unreachable();
}

template <typename Skeleton> Result<Object<Skeleton>> load(auto prepare) {
    auto tried = attempt<Skeleton>(prepare);
    if (!tried) return std::unexpected(tried.error());
    if (!tried->loaded) return std::unexpected(tried->loaded.error().error());
    return std::move(tried->object);
}

void set_constants(cgroup_bpf& s) { s.rodata->bp_can_grant = kernel_can_grant(); }
void set_constants(local_clients_bpf&) {}
void set_constants(guard_bpf& s) { s.rodata->bp_has_set_retval = kernel_can_say_why(); }

template <typename Skeleton>
Result<void> load_and_pin(const fs::path& into, const fs::path& host, const fs::path& keep) {
    auto skeleton = load<Skeleton>([&](Skeleton& s) -> Result<void> {
        set_constants(s);
        if (!keep.empty())
            if (auto used = use(own_maps(s), keep); !used) return used;
        return use(host_maps(s), host);
    });
    if (!skeleton) return std::unexpected(skeleton.error());
    if (auto pinned = pin_programs(**skeleton, into); !pinned) return pinned;
    return keep.empty() ? pin_maps(own_maps(**skeleton), into) : Result<void>{};
}

bool has_helper(bpf_func_id helper) {
    return libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, helper, nullptr) == 1;
}

} // namespace

bool kernel_can_grant() {
    // Asked by doing it: a program that returns 3 is refused by a kernel that knows no such value.
    static const bool can = [] {
        LoadLog quiet;
        const bpf_insn program[] = {
            {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 3},
            {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
        LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_CGROUP_INET4_BIND);
        Fd fd(
            bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "bp_probe", "GPL", program, 2, &options));
        return bool(fd);
    }();
    return can;
}

bool kernel_can_say_why() { return has_helper(BPF_FUNC_set_retval); }

Result<void> load_host_maps(const fs::path& into) {
    auto skeleton = load<cgroup_bpf>([](cgroup_bpf& s) -> Result<void> {
        bpf_program* program = nullptr;
        bpf_object__for_each_program(program, s.obj) bpf_program__set_autoload(program, false);
        return {};
    });
    if (!skeleton) return std::unexpected(skeleton.error());
    return pin_maps(host_maps(**skeleton), into);
}

Result<void> load_cgroup_object(const fs::path& into, const fs::path& host, const fs::path& keep) {
    return load_and_pin<cgroup_bpf>(into, host, keep);
}

Result<void> load_local_clients_object(const fs::path& into, const fs::path& host,
                                       const fs::path& keep) {
    return load_and_pin<local_clients_bpf>(into, host, keep);
}

Result<void> load_guard_object(const fs::path& into, const fs::path& host, const fs::path& keep) {
    return load_and_pin<guard_bpf>(into, host, keep);
}

void try_cgroup_objects(const ObjectTrial& trial) {
    auto one = [&]<typename Skeleton>(Skeleton*) {
        auto tried = attempt<Skeleton>([](Skeleton& s) -> Result<void> {
            set_constants(s);
            return {};
        });
        if (tried) trial(object_name(*tried->object->skeleton), tried->loaded);
    };
    one(static_cast<cgroup_bpf*>(nullptr));
    one(static_cast<local_clients_bpf*>(nullptr));
    one(static_cast<guard_bpf*>(nullptr));
}

std::uint64_t cgroup_object_build() {
    static const std::uint64_t build = object_digest<cgroup_bpf, local_clients_bpf, guard_bpf>();
    return build;
}

} // namespace bpfport
