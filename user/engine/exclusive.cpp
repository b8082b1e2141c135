// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/exclusive.hpp"

#include <fcntl.h>

#include <algorithm>

#include <bpf/bpf.h>

#include "engine/instance_maps.hpp"
#include "engine/object_trial.hpp"
#include "engine/sklookup_object.hpp"
#include "exclusive.skel.h"
#include "kernel/bpffs.hpp"
#include "kernel/link.hpp"
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
Result<Fd> load_program(const Instance& instance) {
    auto object = open();
    if (!object) return std::unexpected(object.error());
    BP_TRY(use_instance(**object, instance.path()), "load the program for --exclusive");
    if (auto loaded = object->load(); !loaded) return std::unexpected(loaded.error().error());
    return Fd(fcntl(bpf_program__fd((*object)->progs.bp_exclusive), F_DUPFD_CLOEXEC, 0));
}

} // namespace

bool exclusive_alive(const Instance& instance) {
    return linked_program(instance.path() / kLink) != 0;
}

Result<void> attach_exclusive(const Instance& instance, const std::vector<InstalledRule>& rules) {
    if (!any_exclusive(rules) || exclusive_alive(instance)) return {};
    auto program = load_program(instance);
    if (!program) return context("--exclusive", program.error());
    auto netns = open_current_netns();
    if (!netns) return std::unexpected(netns.error());
    auto link = Link::create(*program, netns->get(), BPF_SK_LOOKUP, "sk_lookup");
    if (!link) return context("--exclusive", link.error());
    return link->pin(instance.path() / kLink);
}

Result<void> upgrade_exclusive(const Instance& instance) {
    if (!exclusive_alive(instance)) return {};
    auto program = load_program(instance);
    if (!program) return context("--exclusive", program.error());
    BP_TRY(update_link(instance.path() / kLink, *program), "--exclusive");
    return {};
}

Result<void> remove_exclusive(const Instance& instance, const std::vector<InstalledRule>& rules) {
    return any_exclusive(rules) ? Result<void>{} : remove_pin(instance.path() / kLink);
}

std::uint64_t exclusive_object_digest(std::uint64_t before) {
    return object_digest<exclusive_bpf>(before);
}

void try_exclusive_object(const ObjectTrial& trial) { try_object(trial, open()); }

} // namespace bpfport
