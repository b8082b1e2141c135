// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/sklookup_engine.hpp"

#include <netinet/tcp.h>

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "engine/root_hooks.hpp"
#include "engine/sockname.hpp"
#include "engine/theft.hpp"
#include "engine/upgrade.hpp"
#include "kernel/bpf.hpp"
#include "kernel/cgroup.hpp"
#include "kernel/netlink.hpp"
#include "kernel/netns.hpp"
#include "state/sklookup_attachment.hpp"

namespace bpfport {

namespace {

// Sockets that may be given what arrives for a target, of both protocols.
Result<std::vector<Socket>> listening_sockets(Protocol protocol) {
    auto state = protocol == Protocol::kTcp ? TCP_LISTEN : TCP_CLOSE;
    return sockets({protocol, 1U << state, std::nullopt});
}

bool is_target(const std::vector<RuleSpec>& rules, const Socket& socket) {
    return std::ranges::any_of(rules, [&](const RuleSpec& rule) {
        return is_sklookup(rule) && rule.rule.protocol() == socket.protocol &&
               rule.rule.target().contains(socket.local_port) &&
               (socket.local.is_any() || rule.rule.covers(socket.local));
    });
}

// It listens on the listen port of a loopback address and keeps it. Multipath TCP can't be kept:
// attach refuses it.
bool is_keeper(const std::vector<RuleSpec>& rules, const Socket& socket) {
    return socket.protocol == Protocol::kTcp &&
           std::ranges::any_of(rules, [&](const RuleSpec& rule) {
               return is_sklookup(rule) && keeps_address(rule, socket);
           });
}

} // namespace

Unsteerable why_unsteerable(const std::vector<Listener>& listeners) {
    auto any = [&](auto property) {
        return std::ranges::any_of(listeners, [&](auto& each) { return property(each.socket); });
    };
    if (any([](const Socket& socket) { return socket.mptcp; }))
        return {"mptcp", "uses Multipath TCP, which can't be steered to"};
    if (any([](const Socket& socket) { return socket.inode == 0; }))
        return {"kernel", "is the kernel's own, which can't be steered to"};
    if (listeners.size() > BP_MAX_LISTENERS)
        return {"table-full", "began to listen when the table of listeners was full; the next "
                              "attach command looks again"};
    return {"earlier-listener", "could not be steered to, or another before it; the next attach "
                                "command looks again"};
}

bool is_sklookup(const RuleSpec& rule) { return rule.engine == BP_ENGINE_SKLOOKUP; }

bool any_sklookup(const std::vector<RuleSpec>& rules) {
    return std::ranges::any_of(rules, is_sklookup);
}

// The sockops program comes first, so that no listener is missed once connections are steered.
Result<void> SklookupEngine::make(const Instance& instance) {
    auto support = probe_sklookup();
    if (!support.usable) return failure(support.why_not, "--engine tc serves every rule");
    auto cgroup = root_cgroup();
    if (!cgroup) return std::unexpected(cgroup.error());
    auto cgroup_fd = open_directory(*cgroup);
    if (!cgroup_fd) return std::unexpected(cgroup_fd.error());
    auto netns_fd = open_current_netns();
    if (!netns_fd) return std::unexpected(netns_fd.error());

    if (auto there = ensure_host(*store_); !there) return there;
    auto staging = store_->stage();
    if (!staging) return std::unexpected(staging.error());
    SklookupConfig config{current_netns_cookie(), support.has_ifindex};
    if (auto loaded = load_sklookup_object(staging->path(), instance.path(), config); !loaded)
        return loaded;
    bp_sklookup_meta meta{BP_ABI, support.has_ifindex, sklookup_object_build(), config.netns_cookie,
                          cgroup->id};
    BP_TRY(staging->directory().describe(meta), "describe the attachment");
    BP_TRY(attach_hook(staging->path(), kListenHook, *cgroup_fd),
           "notice listeners (sockops on the root cgroup)");
    BP_TRY(attach_hook(staging->path(), kLookupHook, *netns_fd), "sk_lookup");
    return staging->publish(sklookup_name(netns_));
}

Result<void> SklookupEngine::upgrade(const Instance& instance) {
    auto attachment = SklookupAttachment::open(*store_, netns_);
    if (!attachment || !attachment->alive()) return {}; // attach() makes all of it
    if (auto there = ensure_host(*store_); !there) return there;
    auto meta = attachment->meta();
    const SklookupConfig config{meta.netns_cookie, meta.has_ifindex != 0};
    const auto& directory = attachment->path();
    auto load = [&](const std::filesystem::path& staging) {
        return load_sklookup_object(staging, instance.path(), config);
    };
    // The look-up first: it knows what the other program writes into the maps.
    const Hook hooks[] = {kLookupHook, kListenHook, kSocknameHooks[0], kSocknameHooks[1]};
    if (auto upgraded = upgrade_hooks(*store_, directory, hooks, load); !upgraded) return upgraded;
    meta.build = sklookup_object_build();
    return attachment->directory().describe_anew(meta);
}

Result<void> SklookupEngine::attach(const Instance& instance) {
    auto attachment = SklookupAttachment::open(*store_, netns_);
    bool whole = attachment && attachment->alive();
    if (whole && attachment->meta().build == sklookup_object_build()) return {};
    if (whole) return upgrade(instance);
    if (auto removed = remove(); !removed) return removed;
    return make(instance);
}

Result<std::vector<RefusedListener>>
SklookupEngine::find_listeners(const Instance& instance, const std::vector<RuleSpec>& rules) {
    auto find = open_pin(store_->path(sklookup_name(netns_)) / pins::kFind);
    if (!find) return std::unexpected(find.error());
    auto map = instance.open_pin(pins::kListeners);
    if (!map) return std::unexpected(map.error());
    auto groups = instance.open_pin(pins::kGroups);
    if (!groups) return std::unexpected(groups.error());
    auto search = ListenerSearch::begin(std::move(*find), std::move(*map), std::move(*groups));
    if (!search) return std::unexpected(search.error());
    for (Protocol protocol : {Protocol::kTcp, Protocol::kUdp}) {
        auto list = listening_sockets(protocol);
        if (!list) return std::unexpected(list.error());
        for (const auto& socket : *list) {
            if (!is_target(rules, socket) && !is_keeper(rules, socket)) continue;
            if (auto put = search->put(socket); !put) return std::unexpected(put.error());
        }
    }
    auto refused = search->refused();
    auto own = interface_addresses();
    if (!own) return std::unexpected(own.error());
    // On an address of no interface (IP_FREEBIND) no client finds it.
    std::erase_if(refused, [&](const RefusedListener& refusal) {
        return !refusal.local.is_any() && !refusal.local.is_loopback() &&
               std::ranges::find(*own, refusal.local, &InterfaceAddress::address) == own->end();
    });
    return refused;
}

Result<void> SklookupEngine::settle(Instance& instance, const std::vector<RuleSpec>& rules) {
    auto refused = find_listeners(instance, rules);
    if (!refused) return std::unexpected(refused.error());
    std::set<std::uint16_t> still, gone;
    for (const auto& refusal : *refused)
        if (refusal.protocol == Protocol::kTcp) still.insert(refusal.port);
    for (unsigned port = 1; port <= 65535; port++) {
        auto target = static_cast<std::uint16_t>(port);
        if (instance.table().fallback(target) && !still.contains(target)) gone.insert(target);
    }
    if (gone.empty()) return {};
    instance.table().clear_fallback(gone);
    auto again = find_listeners(instance, rules); // one that began meanwhile wakes tc again
    if (!again) return std::unexpected(again.error());
    return {};
}

std::vector<Warning> SklookupEngine::tell_names(const std::vector<RuleSpec>& rules) {
    if (std::ranges::none_of(rules, wants_sockname)) return {};
    auto attached = attach_sockname(*store_, netns_);
    if (attached) return {};
    return {{fmt::format("getsockname() of steered connections says the listen port: {}",
                         attached.error().message),
             "--engine tc tells the target port; --sockname listen accepts this"}};
}

Result<void> SklookupEngine::remove() {
    if (auto removed = store_->remove(sklookup_name(netns_)); !removed) return removed;
    return remove_unused_host(*store_);
}

} // namespace bpfport
