// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/xdp_hooks.hpp"

#include <algorithm>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "engine/instance_maps.hpp"
#include "engine/registry.hpp"
#include "engine/xdp_object.hpp"
#include "kernel/bpffs.hpp"
#include "kernel/map.hpp"

namespace bpfport {

namespace {

bool can_run_xdp(const Interface& interface) {
    return !interface.is_loopback() && interface.has_ethernet_header();
}

bp_attachment_meta meta_for(const Attachment& attachment, const Interface& interface,
                            bp_xdp_mode mode) {
    bp_attachment_meta meta = attachment.meta();
    meta.xdp_mode = static_cast<std::uint8_t>(mode);
    std::ranges::fill(meta.xdp_address, std::uint8_t{0});
    std::copy_n(interface.link_address.begin(),
                std::min(interface.link_address.size(), sizeof(meta.xdp_address)),
                meta.xdp_address);
    return meta;
}

bool compares_with(const bp_attachment_meta& meta, const Interface& interface) {
    return std::ranges::equal(meta.xdp_address, interface.link_address);
}

} // namespace

void add_xdp(const RuleSpec& rule, const std::vector<Interface>& interfaces, WantedHooks& wanted) {
    for (const auto& interface : interfaces) {
        if (!can_run_xdp(interface)) continue;
        if (rule.ifindex && rule.ifindex != interface.ifindex) continue;
        XdpWish& wish = wanted.xdp[interface.ifindex];
        if (rule.has(BP_RULE_XDP_GENERIC)) wish.mode = BP_XDP_GENERIC;
        if (rule.ifindex) wish.named = true;
    }
}

std::map<unsigned, XdpWish> wanted_xdp(const std::vector<RuleSpec>& rules,
                                       const std::vector<Interface>& interfaces) {
    return wanted_hooks(rules, interfaces).xdp;
}

std::optional<WhyNot> why_no_xdp(const Interface& interface) {
    if (interface.is_loopback())
        return WhyNot{fmt::format("{} has no driver that XDP could run in", interface.name),
                      "--engine tc; local clients are served by tc under every engine"};
    if (!interface.has_ethernet_header())
        return WhyNot{fmt::format("{} has no Ethernet header, which XDP needs", interface.name),
                      "--engine tc works on every device"};
    return {};
}

Result<void> XdpHooks::list(unsigned ifindex) {
    auto devices = instance_.open_pin(pins::kXdpDevices);
    if (!devices) return std::unexpected(devices.error());
    if (bpf_map_update_elem(devices->get(), &ifindex, &ifindex, BPF_ANY) != 0)
        return system_error("list the interface for tc");
    return {};
}

void XdpHooks::unlist(unsigned ifindex) {
    if (auto devices = instance_.open_pin(pins::kXdpDevices))
        bpf_map_delete_elem(devices->get(), &ifindex);
}

std::set<unsigned> XdpHooks::listed() {
    std::set<unsigned> all;
    auto devices = instance_.open_pin(pins::kXdpDevices);
    if (!devices) return all;
    for (unsigned ifindex : keys_of<unsigned>(*devices)) all.insert(ifindex);
    return all;
}

Result<void> XdpHooks::attach(const Attachment& attachment, const Interface& interface,
                              bp_xdp_mode mode) {
    auto program = load_xdp_program(instance_.path(), interface.link_address);
    if (!program) return std::unexpected(program.error());
    BP_TRY(attachment.write(meta_for(attachment, interface, mode)), interface.name);
    BP_TRY(list(interface.ifindex), interface.name);
    auto link = attach_xdp(*program, interface, mode);
    Result<void> done = link ? link->pin(attachment.path() / pins::kLinkXdp)
                             : Result<void>(std::unexpected(link.error()));
    if (!done) (void)remove(attachment);
    return done;
}

Result<void> XdpHooks::update(const Attachment& attachment, const Interface& interface) {
    auto program = load_xdp_program(instance_.path(), interface.link_address);
    if (!program) return std::unexpected(program.error());
    BP_TRY(update_link(attachment.path() / pins::kLinkXdp, *program), interface.name);
    auto mode = static_cast<bp_xdp_mode>(attachment.meta().xdp_mode);
    return attachment.write(meta_for(attachment, interface, mode));
}

Result<void> XdpHooks::remove(const Attachment& attachment) {
    if (auto removed = remove_pin(attachment.path() / pins::kLinkXdp); !removed) return removed;
    unlist(attachment.name().ifindex);
    bp_attachment_meta meta = attachment.meta();
    meta.xdp_mode = BP_XDP_NONE;
    return attachment.write(meta);
}

Result<void> XdpHooks::make(const Attachment& attachment, const Interface& interface,
                            bp_xdp_mode mode) {
    const bp_attachment_meta& meta = attachment.meta();
    if (attachment.xdp_program() && meta.xdp_mode == mode)
        return compares_with(meta, interface) ? Result<void>{} : update(attachment, interface);
    if (auto fits = check_xdp_mode(interface, mode); !fits) return fits;
    // The kernel does not run native and generic at once. Meanwhile tc redirects.
    bool replaces = attachment.xdp_program() != 0;
    BP_TRY(remove(attachment), "replace the XDP link");
    auto made = attach(attachment, interface, mode);
    if (!made && replaces) // as it was
        (void)attach(attachment, interface, static_cast<bp_xdp_mode>(meta.xdp_mode));
    return made;
}

Result<std::vector<Warning>> XdpHooks::make(const std::vector<RuleSpec>& rules) {
    auto wanted = wanted_xdp(rules, interfaces_);
    std::vector<Warning> warnings;
    unsigned running = 0;
    for (const auto& attachment : attachments(store_, instance_.netns())) {
        const Interface* interface = find_interface(interfaces_, attachment.name().ifindex);
        auto wish = wanted.find(attachment.name().ifindex);
        if (!interface || wish == wanted.end()) continue;
        auto made = make(attachment, *interface, wish->second.mode);
        if (!made && wish->second.named) return std::unexpected(made.error());
        if (made)
            running++;
        else
            warnings.push_back(
                {fmt::format("{}; tc alone serves it", made.error().message), made.error().hint});
    }
    if (!running && !warnings.empty())
        return failure("no interface takes XDP: " + warnings.front().message,
                       warnings.front().hint);
    return warnings;
}

Result<void> XdpHooks::upgrade() {
    for (const auto& attachment : attachments(store_, instance_.netns()))
        if (const Interface* interface = find_interface(interfaces_, attachment.name().ifindex);
            interface && attachment.xdp_program())
            if (auto updated = update(attachment, *interface); !updated) return updated;
    return {};
}

Result<void> XdpHooks::remove_unneeded(const std::vector<RuleSpec>& rules) {
    auto wanted = wanted_xdp(rules, interfaces_);
    std::set<unsigned> running;
    for (const auto& attachment : attachments(store_, instance_.netns())) {
        unsigned ifindex = attachment.name().ifindex;
        if (wanted.contains(ifindex) && attachment.xdp_program())
            running.insert(ifindex);
        else if (attachment.meta().xdp_mode != BP_XDP_NONE)
            BP_TRY(remove(attachment), "clean up");
    }
    for (unsigned ifindex : listed())
        if (!running.contains(ifindex)) unlist(ifindex);
    return {};
}

} // namespace bpfport
