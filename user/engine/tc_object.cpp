// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/tc_object.hpp"

#include <unistd.h>

#include <tuple>

#include <bpf/libbpf.h>

#include "bpfport/table.h"
#include "engine/object_trial.hpp"
#include "engine/option_program.hpp"
#include "engine/xdp_object.hpp"
#include "kernel/heap.hpp"
#include "kernel/netns.hpp"
#include "kernel/object.hpp"
#include "maps.skel.h"
#include "state/instance.hpp"
#include "tc_direct.skel.h"
#include "tc_helper.skel.h"

namespace bpfport {

namespace fs = std::filesystem;

namespace {

template <typename Skeleton> Result<Object<Skeleton>> open(std::uint16_t mark) {
    auto object = Object<Skeleton>::open();
    if (!object) return object;
    (*object)->rodata->bp_seen_tag = mark;
    (*object)->rodata->bp_tick_shift = tick_shift();
    return object;
}

// The programs for devices of one link layer, over the maps that are pinned in `maps`.
template <typename Skeleton>
Result<void> load(const fs::path& directory, const fs::path& maps, LinkLayer layer,
                  std::uint16_t mark) {
    auto object = open<Skeleton>(mark);
    if (!object) return std::unexpected(object.error());
    BP_TRY(use_instance(**object, maps), "load programs");
    auto programs = (*object)->progs;
    const std::tuple<bpf_program*, const char*, LinkLayer> all[] = {
        {programs.bp_tc_in, pins::kTcIn, LinkLayer::kEthernet},
        {programs.bp_tc_out, pins::kTcOut, LinkLayer::kEthernet},
        {programs.bp_tc_in_l3, pins::kTcInL3, LinkLayer::kNone},
        {programs.bp_tc_out_l3, pins::kTcOutL3, LinkLayer::kNone}};
    for (auto [program, name, of] : all) bpf_program__set_autoload(program, of == layer);
    if (auto loaded = object->load(); !loaded) return std::unexpected(loaded.error().error());
    for (auto [program, name, of] : all)
        if (of == layer) BP_TRY(pin_object(program, directory / name), "load programs");
    return {};
}

// libbpf reads the kernel's types, some 5 MB, into memory that it allocates twice. Mapped in pages of
// 4 KB that takes as long as all else that it does with them.
constexpr std::size_t kVmlinuxBytes = std::size_t{14} << 20;

template <typename Skeleton> void try_tc_object(const ObjectTrial& trial) {
    auto object = open<Skeleton>(1);
    if (object) size_maps((*object)->maps, {1024, 1024, 1024});
    try_object(trial, object);
}

} // namespace

Result<bool> load_tc_object(const fs::path& directory, const TcLoad& what) {
    auto netns = current_netns_inode();
    if (!netns) return std::unexpected(netns.error());
    auto mark = static_cast<std::uint16_t>(*netns % 0xffff + 1); // bpf/lib/decide.h
    const fs::path& maps = what.keep_maps.empty() ? directory : what.keep_maps;
    if (what.keep_maps.empty())
        if (auto made = make_instance_maps(maps, what.sizes); !made)
            return std::unexpected(made.error());
    const bool has_btf = access("/sys/kernel/btf/vmlinux", R_OK) == 0;
    if (what.choice == TcObject::kDirect || (what.choice == TcObject::kBest && has_btf)) {
        grow_heap(kVmlinuxBytes);
        auto direct = load<tc_direct_bpf>(directory, maps, what.layer, mark);
        if (direct) return true;
        if (direct.error().code == EPERM || what.choice == TcObject::kDirect)
            return std::unexpected(direct.error());
    }
    auto helper = load<tc_helper_bpf>(directory, maps, what.layer, mark);
    if (!helper) return std::unexpected(helper.error());
    return false;
}

void try_tc_objects(const ObjectTrial& trial) {
    try_tc_object<tc_direct_bpf>(trial);
    try_tc_object<tc_helper_bpf>(trial);
}

std::uint64_t tc_object_build() {
    static const std::uint64_t build = [] {
        auto all = xdp_object_digest(object_digest<maps_bpf, tc_direct_bpf, tc_helper_bpf>());
        for (const OptionProgram* program : option_programs()) all = program->digest(all);
        return all;
    }();
    return build;
}

} // namespace bpfport
