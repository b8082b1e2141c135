// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <bpf/libbpf.h>

#include "engine/instance_maps.hpp"
#include "engine/option_program.hpp"
#include "kernel/cgroup.hpp"
#include "kernel/load_log.hpp"
#include "kernel/netns.hpp"
#include "kernel/object.hpp"
#include "original_dst.skel.h"

namespace bpfport {

namespace {

Result<Object<original_dst_bpf>> open_original_dst() {
    auto object = Object<original_dst_bpf>::open();
    if (!object) return object;
    (*object)->rodata->bp_netns_cookie = current_netns_cookie();
    return object;
}

bool kernel_tells_netns() {
    LoadLog quiet;
    return libbpf_probe_bpf_helper(BPF_PROG_TYPE_CGROUP_SOCKOPT, BPF_FUNC_get_netns_cookie,
                                   nullptr) == 1;
}

Result<Fd> load_original_dst(const Instance& instance) {
    if (!kernel_tells_netns())
        return failure("this kernel does not tell getsockopt hooks the network namespace of a "
                       "socket (5.15)",
                       "leave --original-dst out: the rule itself works");
    auto object = open_original_dst();
    if (!object) return std::unexpected(object.error());
    return load_over(*object, instance, (*object)->progs.bp_original_dst);
}

} // namespace

const OptionProgram& original_dst_program() {
    static const OptionProgram program{
        .option = "--original-dst",
        .flag = BP_RULE_ORIGINAL_DST,
        .link = "original_dst_link",
        .hook = "getsockopt of the root cgroup",
        .type = BPF_CGROUP_GETSOCKOPT,
        .load = load_original_dst,
        .target = open_root_cgroup,
        .if_gone = "getsockopt(SO_ORIGINAL_DST) does not say the listen port",
        .digest = object_digest<original_dst_bpf>,
        .try_object = [](const ObjectTrial& trial) {
            if (kernel_tells_netns()) bpfport::try_object(trial, open_original_dst());
        }};
    return program;
}

} // namespace bpfport
