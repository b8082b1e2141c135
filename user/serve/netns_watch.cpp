// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "serve/netns_watch.hpp"

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "kernel/netlink_dump.hpp"
#include "kernel/netns.hpp"

namespace bpfport {

namespace {

Result<Fd> open_socket(const Fd& netns) {
    auto inside = ScopedNetns::enter(netns);
    if (!inside) return std::unexpected(inside.error());
    Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
    sockaddr_nl groups{};
    groups.nl_family = AF_NETLINK;
    groups.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_TC;
    if (!socket || ::bind(socket.get(), reinterpret_cast<sockaddr*>(&groups), sizeof groups) != 0)
        return system_error("open a netlink socket");
    return socket;
}

// Signal strength of a wireless device, and what was added to tc, are not changes to rules.
bool matters(const nlmsghdr* message) {
    switch (message->nlmsg_type) {
    case RTM_NEWLINK: {
        bool wireless = false;
        for_each_attribute(
            attributes_of(message, sizeof(ifinfomsg)),
            [&](unsigned type, std::span<const std::byte>) { wireless |= type == IFLA_WIRELESS; });
        return !wireless;
    }
    case RTM_DELLINK:
    case RTM_NEWADDR:
    case RTM_DELADDR:
    case RTM_DELQDISC:
    case RTM_DELTFILTER:
        return true;
    default:
        return false;
    }
}

bool take_from(const Fd& socket) {
    bool changed = false;
    alignas(nlmsghdr) std::array<std::byte, 16384> buffer;
    for (;;) {
        const ssize_t got = ::recv(socket.get(), buffer.data(), buffer.size(), MSG_TRUNC);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno != ENOBUFS) return changed; // EAGAIN: that was all
        // Some were lost, or one is longer than what was read of it.
        if (got < 0 || static_cast<std::size_t>(got) > buffer.size()) {
            changed = true;
            continue;
        }
        for_each_message({buffer.data(), static_cast<std::size_t>(got)},
                         [&](const nlmsghdr* message) { changed |= matters(message); });
    }
}

Result<Fd> open_named(const std::string& name) {
    if (name.empty()) return open_current_netns();
    auto ref = parse_netns(name);
    if (!ref) return std::unexpected(ref.error());
    return open_netns(*ref);
}

} // namespace

Result<NetnsWatch> NetnsWatch::open() {
    Fd mounts(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
    if (!mounts) return system_error("open /proc/self/mountinfo");
    return NetnsWatch(std::move(mounts));
}

void NetnsWatch::follow(std::set<std::string> names) {
    names_ = std::move(names);
    refresh();
}

// poll() of the table of mounts tells of changes since the poll before.
void NetnsWatch::add_to(std::vector<pollfd>& polled) const {
    for (const auto& [_, one] : open_) polled.push_back({one.socket.get(), POLLIN, 0});
    if (names_.size() > names_.contains("")) polled.push_back({mounts_.get(), POLLPRI, 0});
}

bool NetnsWatch::refresh() {
    bool changed = false;
    for (auto it = open_.begin(); it != open_.end();)
        it = names_.contains(it->first) ? std::next(it) : open_.erase(it);
    for (const auto& name : names_) {
        auto handle = open_named(name);
        auto inode = handle ? netns_inode(*handle) : std::unexpected(handle.error());
        auto known = open_.find(name);
        if (known != open_.end() && inode && known->second.inode == *inode) continue;
        if (known != open_.end()) {
            open_.erase(known);
            changed = true;
        }
        if (!inode) continue;
        if (auto socket = open_socket(*handle))
            open_.emplace(name, One{*inode, std::move(*socket)});
        changed = true;
    }
    return changed;
}

bool NetnsWatch::take() {
    bool changed = refresh();
    for (const auto& [_, one] : open_) changed |= take_from(one.socket);
    return changed;
}

} // namespace bpfport
