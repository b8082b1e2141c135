// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/instance_maps.hpp"
#include "engine/option_program.hpp"
#include "engine/sklookup_object.hpp"
#include "exclusive.skel.h"
#include "kernel/netns.hpp"
#include "kernel/object.hpp"

namespace bpfport {

namespace {

Result<Object<exclusive_bpf>> open() {
    auto object = Object<exclusive_bpf>::open();
    if (!object) return object;
    (*object)->rodata->bp_has_ifindex = sk_lookup_has_ifindex();
    (*object)->rodata->bp_tick_shift = tick_shift();
    return object;
}

Result<Fd> load(const Instance& instance) {
    auto object = open();
    if (!object) return std::unexpected(object.error());
    return load_over(*object, instance, (*object)->progs.bp_exclusive);
}

} // namespace

const OptionProgram& exclusive_program() {
    static const OptionProgram program{
        .option = "--exclusive",
        .flag = BP_RULE_EXCLUSIVE,
        .link = "exclusive_link",
        .hook = "sk_lookup",
        .type = BPF_SK_LOOKUP,
        .load = load,
        .target = open_current_netns,
        .if_gone = "direct clients may reach the target",
        .digest = object_digest<exclusive_bpf>,
        .try_object = [](const ObjectTrial& trial) { bpfport::try_object(trial, open()); }};
    return program;
}

} // namespace bpfport
