// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/tc_object.hpp"

#include <unistd.h>

#include <string>
#include <tuple>

#include <bpf/libbpf.h>

#include "engine/exclusive.hpp"
#include "engine/instance_maps.hpp"
#include "engine/object_trial.hpp"
#include "engine/xdp_object.hpp"
#include "kernel/netns.hpp"
#include "kernel/object.hpp"
#include "state/instance.hpp"
#include "tc_direct.skel.h"
#include "tc_helper.skel.h"

namespace bpfport {

namespace fs = std::filesystem;

namespace {

template <typename Skeleton>
Result<Object<Skeleton>> open(const FlowSizes& sizes, std::uint16_t mark) {
    auto object = Object<Skeleton>::open();
    if (!object) return object;
    auto& maps = (*object)->maps;
    bpf_map__set_max_entries(maps.bp_hints, sizes.hints);
    bpf_map__set_max_entries(maps.bp_udp_flows, sizes.udp_flows);
    bpf_map__set_max_entries(maps.bp_asked_at, sizes.udp_flows);
    bpf_map__set_max_entries(maps.bp_forward_conns, sizes.forward);
    bpf_map__set_max_entries(maps.bp_forward_udp, sizes.forward);
    (*object)->rodata->bp_mark = mark;
    (*object)->rodata->bp_tick_shift = tick_shift();
    return object;
}

template <typename Skeleton>
Result<void> load(const fs::path& directory, const TcLoad& what, std::uint16_t mark) {
    auto object = open<Skeleton>(what.sizes, mark);
    if (!object) return std::unexpected(object.error());
    if (!what.keep_maps.empty())
        BP_TRY(use_instance_maps((*object)->obj, what.keep_maps), "load programs");

    auto programs = (*object)->progs;
    const std::tuple<bpf_program*, const char*, LinkLayer> all[] = {
        {programs.bp_tc_in, pins::kTcIn, LinkLayer::kEthernet},
        {programs.bp_tc_out, pins::kTcOut, LinkLayer::kEthernet},
        {programs.bp_tc_in_l3, pins::kTcInL3, LinkLayer::kNone},
        {programs.bp_tc_out_l3, pins::kTcOutL3, LinkLayer::kNone}};
    for (auto [program, name, layer] : all) bpf_program__set_autoload(program, layer == what.layer);
    if (auto loaded = object->load(); !loaded) return std::unexpected(loaded.error().error());
    for (auto [program, name, layer] : all) {
        if (layer != what.layer) continue;
        if (auto pinned = pin_object(program, directory / name); !pinned) return pinned;
    }
    return pin_instance_maps((*object)->obj, what.keep_maps.empty() ? directory : what.keep_maps);
}

} // namespace

Result<LoadedObject> load_tc_object(const fs::path& directory, const TcLoad& what) {
    auto netns = current_netns_inode();
    if (!netns) return std::unexpected(netns.error());
    auto mark = static_cast<std::uint16_t>(*netns % 0xffff + 1); // bpf/lib/mark.h
    std::string why = "the kernel has no BTF (/sys/kernel/btf/vmlinux)";
    if (what.choice == TcObject::kHelper) {
        why = "asked for";
    } else if (what.choice == TcObject::kDirect || access("/sys/kernel/btf/vmlinux", R_OK) == 0) {
        auto direct = load<tc_direct_bpf>(directory, what, mark);
        if (direct) return LoadedObject{true, {}};
        if (direct.error().code == EPERM || what.choice == TcObject::kDirect)
            return std::unexpected(direct.error());
        why = direct.error().message.substr(0, direct.error().message.find('\n'));
    }
    auto helper = load<tc_helper_bpf>(directory, what, mark);
    if (!helper) return std::unexpected(helper.error());
    return LoadedObject{false, std::move(why)};
}

void try_tc_objects(const ObjectTrial& trial) {
    constexpr FlowSizes few{1024, 1024, 1024};
    try_object(trial, open<tc_direct_bpf>(few, 1));
    try_object(trial, open<tc_helper_bpf>(few, 1));
}

std::uint64_t tc_object_build() {
    static const std::uint64_t build =
        exclusive_object_digest(xdp_object_digest(object_digest<tc_direct_bpf, tc_helper_bpf>()));
    return build;
}

} // namespace bpfport
