// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/cgroup_attachment.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "bpfport/meta.h"
#include "kernel/cgroup_lookup.hpp"
#include "state/run_cgroup.hpp"

namespace bpfport {

bool CgroupHook::needed_by(const PolicyContent& content) const {
    if (for_clients) return content.has_local_clients();
    return for_rules ? !content.rules.empty() : !content.empty();
}

Result<CgroupAttachment> CgroupAttachment::open(const Store& store, std::uint64_t cgroup,
                                                Store::Access access) {
    Directory directory(store.path(cgroup_attachment_name(cgroup)));
    auto meta = directory.meta<bp_cgroup_meta>();
    if (!meta) return std::unexpected(meta.error());
    auto map = directory.open(pins::kPolicy);
    if (!map) return std::unexpected(map.error());
    auto policy = Policy::open(*map, access == Store::Access::kChange);
    if (!policy) return std::unexpected(policy.error());
    return CgroupAttachment(std::move(directory), *meta, std::move(*policy));
}

CgroupRef CgroupAttachment::cgroup() const {
    auto mount = cgroup_mount();
    std::string below = meta_.path;
    return {meta_.cgroup, below, (mount ? mount->native() : std::string()) + below, meta_.root};
}

bool CgroupAttachment::complete() const {
    auto now = content();
    return std::ranges::all_of(kCgroupHooks, [&](const CgroupHook& hook) {
        return !hook.needed_by(now) || linked_program(path(), hook);
    });
}

bool CgroupAttachment::alive() const {
    return std::ranges::any_of(kCgroupHooks,
                               [&](const Hook& hook) { return linked_program(path(), hook); });
}

namespace {

std::vector<CgroupAttachment> all_attachments(const Store& store, Store::Access access) {
    std::vector<CgroupAttachment> found;
    for (const auto& entry : store.entries()) {
        std::uint64_t cgroup = 0;
        if (!parse_cgroup_attachment_name(entry, cgroup)) continue;
        if (auto attachment = CgroupAttachment::open(store, cgroup, access))
            found.push_back(std::move(*attachment));
    }
    return found;
}

} // namespace

std::vector<CgroupAttachment> cgroup_attachments(const Store& store, Store::Access access) {
    auto found = all_attachments(store, access);
    std::erase_if(found, [](const auto& attachment) { return is_removed(attachment.cgroup()); });
    return found;
}

Result<void> sweep_cgroups(Store& store) {
    for (const auto& attachment : all_attachments(store, Store::Access::kChange)) {
        const auto cgroup = attachment.cgroup();
        const bool removed = is_removed(cgroup);
        const bool ended = !removed && attachment.is_run() && !is_populated(cgroup.directory);
        if (attachment.alive() && !removed && !ended) continue;
        if (ended && !remove_cgroup(cgroup.directory)) continue; // a process has just joined it
        BP_TRY(store.remove(attachment.name()), "sweep");
    }
    remove_abandoned_run_cgroups();
    return {};
}

} // namespace bpfport
