// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/sklookup_object.hpp"

#include <cstddef>
#include <iterator>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpfport/table.h"
#include "engine/cgroup_object.hpp"
#include "engine/instance_maps.hpp"
#include "engine/object_trial.hpp"
#include "engine/root_hooks.hpp"
#include "engine/tc_object.hpp"
#include "kernel/bpf.hpp"
#include "kernel/cgroup.hpp"
#include "kernel/load_log.hpp"
#include "kernel/netns.hpp"
#include "kernel/object.hpp"
#include "sklookup.skel.h"
#include "state/sklookup_attachment.hpp"

namespace bpfport {

namespace fs = std::filesystem;

namespace {

constexpr bpf_insn kReturnPass[] = {{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, SK_PASS},
                                    {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};

// Loads `first` followed by "return 1", and forgets it again.
bool loads(bpf_prog_type type, bpf_attach_type attach, bpf_insn first) {
    const bpf_insn program[] = {first, kReturnPass[0], kReturnPass[1]};
    LIBBPF_OPTS(bpf_prog_load_opts, options);
    options.expected_attach_type = attach;
    Fd fd(bpf_prog_load(type, "bp_probe", "Dual BSD/GPL", program, std::size(program), &options));
    return static_cast<bool>(fd);
}

Result<Object<sklookup_bpf>> open(const SklookupConfig& config) {
    auto object = Object<sklookup_bpf>::open();
    if (!object) return object;
    (*object)->rodata->bp_netns_cookie = config.netns_cookie;
    (*object)->rodata->bp_has_ifindex = config.has_ifindex;
    (*object)->rodata->bp_has_loop =
        libbpf_probe_bpf_helper(BPF_PROG_TYPE_SK_LOOKUP, BPF_FUNC_loop, nullptr) == 1;
    (*object)->rodata->bp_tick_shift = tick_shift();
    return object;
}

bool loads_lookup(std::size_t field) {
    return loads(BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP,
                 {BPF_LDX | BPF_MEM | BPF_W, BPF_REG_0, BPF_REG_1, static_cast<__s16>(field), 0});
}

template <typename Skeleton> Result<void> pin_programs(Skeleton& s, const fs::path& directory) {
    const std::pair<bpf_program*, const char*> programs[] = {
        {s.progs.bp_lookup, kLookupHook.program},
        {s.progs.bp_listen, kListenHook.program},
        {s.progs.bp_find, pins::kFind},
        {s.progs.bp_name4, kSocknameHooks[0].program},
        {s.progs.bp_name6, kSocknameHooks[1].program}};
    for (auto [program, name] : programs)
        if (auto pinned = pin_object(program, directory / name); !pinned) return pinned;
    return {};
}

} // namespace

bool sk_lookup_has_ifindex() {
    LoadLog quiet;
    return loads_lookup(offsetof(bpf_sk_lookup, ingress_ifindex));
}

SklookupSupport probe_sklookup() {
    LoadLog quiet;
    SklookupSupport support;
    if (!loads_lookup(offsetof(bpf_sk_lookup, protocol))) {
        support.why_not = "this kernel has no sk_lookup programs (5.9)";
    } else if (!current_netns_cookie() ||
               !loads(BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS,
                      {BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_get_netns_cookie})) {
        support.why_not = "this kernel does not tell programs the network namespace of a listener "
                          "(5.15)";
    } else if (auto root = root_cgroup(); !root) {
        support.why_not = root.error().message + ", so servers that start are not noticed";
    } else {
        support.usable = true;
        support.why_not.clear();
        support.has_ifindex = loads_lookup(offsetof(bpf_sk_lookup, ingress_ifindex));
    }
    return support;
}

Result<void> load_sklookup_object(const fs::path& directory, const fs::path& instance,
                                  const SklookupConfig& config) {
    auto object = open(config);
    if (!object) return std::unexpected(object.error());
    BP_TRY(use_instance(**object, instance), "load sklookup programs");
    auto host = instance.parent_path() / kHostDirectory; // beside it in the store
    BP_TRY(use_pinned((*object)->maps.bp_sockname_set, host / pins::kSocknameSet),
           "load sklookup programs");
    if (auto loaded = object->load(); !loaded) return std::unexpected(loaded.error().error());
    return pin_programs(**object, directory);
}

void try_sklookup_object(const ObjectTrial& trial) {
    try_object(trial, open({1, probe_sklookup().has_ifindex}));
}

std::uint64_t sklookup_object_build() { return object_digest<sklookup_bpf>(); }

} // namespace bpfport
