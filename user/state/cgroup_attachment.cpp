// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/cgroup_attachment.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "bpfport/meta.h"
#include "kernel/bpf.hpp"
#include "state/instance.hpp"
#include "state/run_cgroup.hpp"

namespace bpfport {

namespace {

constexpr std::string_view kPrefix = "cgroup-";

} // namespace

bool CgroupHook::needed_by(const PolicyContent& content) const {
    if (for_clients) return content.has_local_clients();
    return for_rules ? !content.rules.empty() : !content.empty();
}

std::string cgroup_attachment_name(std::uint64_t cgroup) {
    return fmt::format("{}{}", kPrefix, cgroup);
}

bool parse_cgroup_attachment_name(std::string_view name, std::uint64_t& cgroup) {
    if (!name.starts_with(kPrefix)) return false;
    name.remove_prefix(kPrefix.size());
    auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), cgroup);
    return error == std::errc{} && end == name.data() + name.size();
}

Result<CgroupAttachment> CgroupAttachment::open(const Store& store, std::uint64_t cgroup,
                                                Store::Access access) {
    auto path = store.path(cgroup_attachment_name(cgroup));
    auto meta_map = open_pin(path / pins::kMeta);
    if (!meta_map) return std::unexpected(meta_map.error());
    auto meta = read_struct<bp_cgroup_meta>(*meta_map, (path / pins::kMeta).native());
    if (!meta) return std::unexpected(meta.error());
    if (meta->abi != BP_ABI)
        return failure(fmt::format("{} was made by another version of bpfport (ABI {}, this is {})",
                                   path.native(), meta->abi, BP_ABI),
                       "bpfport detach --all, then attach again");
    auto map = open_pin(path / pins::kPolicy);
    if (!map) return std::unexpected(map.error());
    auto policy = Policy::open(*map, access == Store::Access::kChange);
    if (!policy) return std::unexpected(policy.error());
    return CgroupAttachment(std::move(path), *meta, std::move(*policy));
}

CgroupRef CgroupAttachment::cgroup() const {
    auto mount = cgroup_mount();
    std::string below = meta_.path;
    return {meta_.cgroup, below, (mount ? mount->native() : std::string()) + below};
}

std::uint32_t CgroupAttachment::program(const CgroupHook& hook) const {
    auto link = open_pin(path_ / hook.link());
    if (!link) return 0;
    auto info = link_info(*link);
    return info && info->target == meta_.cgroup ? info->program_id : 0;
}

bool CgroupAttachment::complete() const {
    auto now = content();
    return std::ranges::all_of(kCgroupHooks, [&](const CgroupHook& hook) {
        return !hook.needed_by(now) || program(hook);
    });
}

bool CgroupAttachment::alive() const {
    return std::ranges::any_of(kCgroupHooks,
                               [&](const CgroupHook& hook) { return program(hook) != 0; });
}

std::vector<CgroupAttachment> cgroup_attachments(const Store& store, Store::Access access) {
    std::vector<CgroupAttachment> found;
    for (const auto& entry : store.entries()) {
        std::uint64_t cgroup = 0;
        if (!parse_cgroup_attachment_name(entry, cgroup)) continue;
        if (auto attachment = CgroupAttachment::open(store, cgroup, access))
            found.push_back(std::move(*attachment));
    }
    return found;
}

Result<void> link_cgroup(const Fd& program, const Fd& cgroup, bpf_attach_type type,
                         const std::filesystem::path& pin_at) {
    Fd link(bpf_link_create(program.get(), cgroup.get(), type, nullptr));
    if (!link)
        return system_error(fmt::format("attach {}", pin_at.filename().native()), errno,
                            errno == EPERM ? "another program may have taken this cgroup for "
                                             "itself alone: bpftool cgroup tree"
                                           : "");
    return pin(link, pin_at);
}

Result<void> sweep_cgroups(Store& store) {
    for (const auto& attachment : cgroup_attachments(store, Store::Access::kChange)) {
        auto directory = attachment.cgroup().directory;
        bool ended = attachment.is_run() && !is_populated(directory);
        if (attachment.alive() && !ended) continue;
        if (ended && !remove_cgroup(directory)) continue; // somebody has just moved in: he keeps it
        BP_TRY(store.remove(attachment.name()), "sweep");
    }
    remove_abandoned_run_cgroups();
    return {};
}

} // namespace bpfport
