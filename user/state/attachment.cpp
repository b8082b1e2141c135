// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/attachment.hpp"

#include <optional>
#include <set>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "kernel/bpf.hpp"
#include "kernel/netns.hpp"
#include "state/instance.hpp"

namespace bpfport {

namespace {

const char* link_pin(Direction direction) {
    return direction == Direction::kIngress ? pins::kLinkIn : pins::kLinkOut;
}

// Whether it is in force; if not, what is left of it is taken off. A tcx link tells from anywhere. A
// clsact filter can only be asked for in its netns, so that is looked for; a netns that nothing
// shows any more has taken its filters along.
Result<bool> check_alive(const Attachment& attachment, std::uint64_t current_netns) {
    std::optional<ScopedNetns> inside;
    if (attachment.meta().hook == BP_HOOK_CLSACT && attachment.name().netns != current_netns) {
        auto netns = find_netns(attachment.name().netns);
        if (!netns) return false;
        auto entered = ScopedNetns::enter(*netns);
        if (!entered) return std::unexpected(entered.error());
        inside.emplace(std::move(*entered));
    }
    if (attachment.alive()) return true;
    BP_TRY(attachment.detach(), "sweep");
    return false;
}

} // namespace

ClsactFilter clsact_filter(const bp_attachment_meta& meta, Direction direction) {
    return {meta.ifindex, direction, meta.handle,
            direction == Direction::kIngress ? meta.ingress_priority : meta.egress_priority};
}

Result<Attachment> Attachment::open(const Store& store, const TcName& name) {
    auto path = store.path(tc_name(name.netns, name.ifindex));
    auto map = open_pin(path / pins::kMeta);
    if (!map) return std::unexpected(map.error());
    auto meta = read_struct<bp_attachment_meta>(*map, (path / pins::kMeta).native());
    if (!meta) return std::unexpected(meta.error());
    return Attachment(std::move(path), name, *meta);
}

std::uint32_t Attachment::program(Direction direction) const {
    if (meta_.hook == BP_HOOK_CLSACT)
        return clsact_program(clsact_filter(meta_, direction)).value_or(0);
    auto link = open_pin(path_ / link_pin(direction));
    if (!link) return 0;
    auto info = link_info(*link);
    return info && info->target ? info->program_id : 0;
}

bool Attachment::alive() const {
    return program(Direction::kIngress) && program(Direction::kEgress);
}

Result<void> Attachment::update(Direction direction, const Fd& program) const {
    if (meta_.hook == BP_HOOK_CLSACT)
        return attach_clsact(program, clsact_filter(meta_, direction));
    auto link = open_pin(path_ / link_pin(direction));
    if (!link) return std::unexpected(link.error());
    if (bpf_link_update(link->get(), program.get(), nullptr) != 0)
        return system_error(fmt::format("update the link on {}", interface()));
    return {};
}

Result<void> Attachment::detach() const {
    if (meta_.hook != BP_HOOK_CLSACT) return {};
    BP_TRY(detach_clsact(clsact_filter(meta_, Direction::kIngress)), interface());
    BP_TRY(detach_clsact(clsact_filter(meta_, Direction::kEgress)), interface());
    return {};
}

std::vector<Attachment> attachments(const Store& store, std::uint64_t netns) {
    std::vector<Attachment> found;
    for (const auto& entry : store.entries()) {
        TcName name;
        if (!parse_tc_name(entry, name) || (netns && name.netns != netns)) continue;
        if (auto attachment = Attachment::open(store, name))
            found.push_back(std::move(*attachment));
    }
    return found;
}

Result<void> sweep(Store& store) {
    auto current = current_netns_inode();
    if (!current) return std::unexpected(current.error());
    std::set<std::uint64_t> inhabited;
    for (const auto& attachment : attachments(store, 0)) {
        const TcName& name = attachment.name();
        auto alive = check_alive(attachment, *current);
        if (!alive) return std::unexpected(alive.error());
        if (*alive)
            inhabited.insert(name.netns);
        else
            BP_TRY(store.remove(tc_name(name.netns, name.ifindex)), "sweep");
    }
    for (const auto& entry : store.entries()) {
        std::uint64_t netns = 0;
        if (parse_instance_name(entry, netns) && !inhabited.contains(netns))
            BP_TRY(store.remove(entry), "sweep");
    }
    return {};
}

} // namespace bpfport
