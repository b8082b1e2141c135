// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/unreadable.hpp"

#include <cstdint>

#include <bpf/bpf.h>

#include "kernel/bpf.hpp"
#include "kernel/netlink.hpp"
#include "kernel/netns.hpp"
#include "state/attachment.hpp"
#include "state/cgroup_attachment.hpp"
#include "state/instance.hpp"
#include "state/sklookup_attachment.hpp"

namespace bpfport {

std::vector<std::string> unreadable(const Store& store) {
    std::vector<std::string> found;
    for (const auto& entry : store.entries()) {
        TcName name;
        std::uint64_t id = 0;
        const auto access = Store::Access::kRead;
        if ((parse_tc_name(entry, name) && !Attachment::open(store, name)) ||
            (parse_instance_name(entry, id) && !Instance::check(store, id)) ||
            (parse_sklookup_name(entry, id) && !SklookupAttachment::open(store, id)) ||
            (parse_cgroup_attachment_name(entry, id) && !CgroupAttachment::open(store, id, access)))
            found.push_back(entry);
    }
    return found;
}

Result<void> refuse_unreadable(const Store& store, std::uint64_t netns) {
    for (const auto& entry : unreadable(store))
        if (std::uint64_t its = 0; parse_netns_of(entry, its) && its == netns)
            return Directory(store.path(entry)).other_version();
    return {};
}

namespace {

Result<void> detach_filters(unsigned ifindex) {
    for (auto direction : {Direction::kIngress, Direction::kEgress}) {
        const ClsactFilter filter{ifindex, direction, kClsactHandle,
                                  direction == Direction::kIngress ? kClsactFirst : kClsactLast};
        auto id = clsact_program(filter);
        if (!id) continue;
        const Fd program(bpf_prog_get_fd_by_id(*id));
        auto info = program ? program_info(program) : system_error("open program");
        if (info && info->name.starts_with("bp_")) BP_TRY(detach_clsact(filter), "detach");
    }
    return {};
}

} // namespace

Result<void> detach_unread(const TcName& name) {
    auto netns = find_netns(name.netns);
    if (!netns) return {}; // has taken its filters along
    auto inside = ScopedNetns::enter(*netns);
    if (!inside) return std::unexpected(inside.error());
    return detach_filters(name.ifindex);
}

Result<void> detach_left_behind() {
    auto all = interfaces();
    if (!all) return std::unexpected(all.error());
    for (const auto& interface : *all) BP_TRY(detach_filters(interface.ifindex), interface.name);
    return {};
}

} // namespace bpfport
