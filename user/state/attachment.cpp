// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/attachment.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/directory.hpp"
#include "kernel/link.hpp"
#include "kernel/netns.hpp"
#include "state/instance.hpp"
#include "state/sklookup_attachment.hpp"
#include "state/unreadable.hpp"

namespace bpfport {

namespace {

// Whether a pin in there is a link that the kernel still runs.
bool has_live_link(const std::filesystem::path& directory) {
    return std::ranges::any_of(entries_of(directory), [](const auto& pin) {
        return pin.filename() != pins::kMeta && linked_program(pin) != 0;
    });
}

// Runs `action` where the attachment can be asked and changed: a tcx link anywhere, a clsact filter
// only in its netns. False when that is gone; it has taken its filters along.
Result<bool> in_its_netns(const Attachment& attachment,
                          const std::function<Result<bool>()>& action) {
    auto current = current_netns_inode();
    if (!current) return std::unexpected(current.error());
    if (attachment.meta().hook != BP_HOOK_CLSACT || attachment.name().netns == *current)
        return action();
    auto netns = find_netns(attachment.name().netns);
    if (!netns) return false;
    auto inside = ScopedNetns::enter(*netns);
    if (!inside) return std::unexpected(inside.error());
    return action();
}

// Whether it is in force; if not, what is left of it is taken off.
Result<bool> check_alive(const Attachment& attachment) {
    return in_its_netns(attachment, [&]() -> Result<bool> {
        if (attachment.alive()) return true;
        BP_TRY(attachment.detach(), "sweep");
        return false;
    });
}

} // namespace

ClsactFilter clsact_filter(const bp_attachment_meta& meta, Direction direction) {
    return {meta.ifindex, direction, meta.handle,
            direction == Direction::kIngress ? meta.ingress_priority : meta.egress_priority};
}

const char* link_pin(Direction direction) {
    return direction == Direction::kIngress ? pins::kLinkIn : pins::kLinkOut;
}

Result<Attachment> Attachment::open(const Store& store, const TcName& name) {
    Directory directory(store.path(tc_name(name.netns, name.ifindex)));
    auto meta = directory.meta<bp_attachment_meta>();
    if (!meta) return std::unexpected(meta.error());
    return Attachment(std::move(directory), name, *meta);
}

std::uint32_t Attachment::program(Direction direction) const {
    if (meta_.hook == BP_HOOK_CLSACT)
        return clsact_program(clsact_filter(meta_, direction)).value_or(0);
    return linked_program(path() / link_pin(direction));
}

std::uint32_t Attachment::xdp_program() const { return linked_program(path() / pins::kLinkXdp); }

bool Attachment::alive() const {
    return program(Direction::kIngress) && program(Direction::kEgress);
}

Result<void> Attachment::update(Direction direction, const Fd& program) const {
    if (meta_.hook == BP_HOOK_CLSACT)
        return attach_clsact(program, clsact_filter(meta_, direction));
    BP_TRY(update_link(path() / link_pin(direction), program), interface());
    return {};
}

Result<void> Attachment::detach() const {
    if (meta_.hook != BP_HOOK_CLSACT) return {};
    BP_TRY(detach_clsact(clsact_filter(meta_, Direction::kIngress)), interface());
    BP_TRY(detach_clsact(clsact_filter(meta_, Direction::kEgress)), interface());
    return {};
}

Result<void> detach_anywhere(const Attachment& attachment) {
    auto done = in_its_netns(attachment, [&]() -> Result<bool> {
        BP_TRY(attachment.detach(), attachment.interface());
        return true;
    });
    if (!done) return std::unexpected(done.error());
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

namespace {

// Whether an instance still has a rule that can match: one for every interface, or for one whose
// hooks are in place. What can't be read is left to the command that needs it.
bool has_live_rule(const Store& store, std::uint64_t netns, const std::set<unsigned>& hooked) {
    auto instance = Instance::open(store, netns, Store::Access::kRead);
    if (!instance) return true;
    for (const auto& rule : instance->table().rules())
        if (!rule.ifindex || hooked.contains(rule.ifindex)) return true;
    return false;
}

} // namespace

Result<void> sweep(Store& store) {
    std::map<std::uint64_t, std::set<unsigned>> hooked;
    std::set<std::uint64_t> steered;
    // Of another version: it tells only by its namespace whether it is dead.
    std::set<std::uint64_t> kept;
    for (const auto& entry : unreadable(store)) {
        std::uint64_t netns = 0;
        if (!parse_netns_of(entry, netns)) continue;
        if (has_live_link(store.path(entry)) || find_netns(netns))
            kept.insert(netns);
        else
            BP_TRY(store.remove(entry), "sweep");
    }
    for (const auto& attachment : attachments(store, 0)) {
        const TcName& name = attachment.name();
        auto alive = check_alive(attachment);
        if (!alive) return std::unexpected(alive.error());
        if (*alive)
            hooked[name.netns].insert(name.ifindex);
        else
            BP_TRY(store.remove(tc_name(name.netns, name.ifindex)), "sweep");
    }
    for (const auto& entry : store.entries()) {
        std::uint64_t netns = 0;
        if (!parse_sklookup_name(entry, netns) || kept.contains(netns)) continue;
        auto attachment = SklookupAttachment::open(store, netns);
        if (attachment && attachment->alive())
            steered.insert(netns);
        else
            BP_TRY(store.remove(entry), "sweep");
    }
    for (const auto& entry : store.entries()) {
        std::uint64_t netns = 0;
        if (!parse_instance_name(entry, netns) || steered.contains(netns) || kept.contains(netns))
            continue;
        if (hooked.contains(netns) && has_live_rule(store, netns, hooked[netns])) continue;
        for (const auto& attachment : attachments(store, netns)) { // lo's, for rules that are gone
            BP_TRY(detach_anywhere(attachment), "sweep");
            BP_TRY(store.remove(tc_name(netns, attachment.name().ifindex)), "sweep");
        }
        BP_TRY(store.remove(entry), "sweep");
    }
    return {};
}

} // namespace bpfport
