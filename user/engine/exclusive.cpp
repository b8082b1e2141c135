// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/exclusive.hpp"

#include <algorithm>

#include <bpf/bpf.h>

#include "engine/instance_maps.hpp"
#include "engine/object_trial.hpp"
#include "engine/sklookup_object.hpp"
#include "exclusive.skel.h"
#include "kernel/bpf.hpp"
#include "kernel/bpffs.hpp"
#include "kernel/netns.hpp"
#include "kernel/object.hpp"

namespace bpfport {

namespace {

constexpr const char* kLink = "exclusive_link";

bool any_exclusive(const std::vector<InstalledRule>& rules) {
    return std::ranges::any_of(
        rules, [](const InstalledRule& rule) { return rule.has(BP_RULE_EXCLUSIVE); });
}

Result<Object<exclusive_bpf>> open() {
    auto object = Object<exclusive_bpf>::open();
    if (!object) return object;
    (*object)->rodata->bp_has_ifindex = sk_lookup_has_ifindex();
    (*object)->rodata->bp_tick_shift = tick_shift();
    return object;
}

// The program of this version's, over the instance's maps.
Result<Object<exclusive_bpf>> load(const Instance& instance) {
    auto object = open();
    if (!object) return object;
    BP_TRY(use_instance_maps((*object)->obj, instance.path()), "load the program for --exclusive");
    if (auto loaded = object->load(); !loaded) return std::unexpected(loaded.error().error());
    return object;
}

} // namespace

bool exclusive_alive(const Instance& instance) {
    auto link = open_pin(instance.path() / kLink);
    if (!link) return false;
    auto info = link_info(*link);
    return info && info->target != 0;
}

Result<void> attach_exclusive(const Instance& instance, const std::vector<InstalledRule>& rules) {
    if (!any_exclusive(rules)) return {};
    auto object = load(instance);
    if (!object) return context("--exclusive", object.error());
    int program = bpf_program__fd((*object)->progs.bp_exclusive);
    auto path = instance.path() / kLink;
    if (exclusive_alive(instance)) {
        auto link = open_pin(path);
        if (link && bpf_link_update(link->get(), program, nullptr) == 0) return {};
    }
    if (auto removed = remove_pin(path); !removed) return removed;
    auto netns = open_current_netns();
    if (!netns) return std::unexpected(netns.error());
    Fd link(bpf_link_create(program, netns->get(), BPF_SK_LOOKUP, nullptr));
    if (!link)
        return system_error("--exclusive: attach sk_lookup", errno,
                            errno == E2BIG ? "64 programs are attached there already, the kernel's "
                                             "limit"
                                           : "");
    return pin(link, path);
}

Result<void> remove_exclusive(const Instance& instance, const std::vector<InstalledRule>& rules) {
    return any_exclusive(rules) ? Result<void>{} : remove_pin(instance.path() / kLink);
}

void try_exclusive_object(const ObjectTrial& trial) { try_object(trial, open()); }

} // namespace bpfport
