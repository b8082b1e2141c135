// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/guard_check.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

#include <fmt/format.h>

#include "kernel/cgroup.hpp"
#include "kernel/netns.hpp"
#include "kernel/process.hpp"

namespace bpfport {

namespace {

bool may_hold(const Owner& owner, const Socket& socket) {
    if (!socket.uid) return true;
    if (owner.user) return socket.uid == *owner.user;
    auto owners = socket_owners(std::span(&socket.inode, 1));
    auto process = owners.find(socket.inode);
    if (process == owners.end()) return true; // nobody to be told apart from
    auto members = processes_in(owner.cgroup.directory);
    return std::ranges::find(members, process->second.pid) != members.end();
}

std::string describe(const Socket& socket) {
    auto owners = socket_owners(std::span(&socket.inode, 1));
    auto process = owners.find(socket.inode);
    return fmt::format("{} has it bound, at {}",
                       process == owners.end() ? "another process" : process->second.to_string(),
                       socket.local.to_string());
}

// A TCP socket that is bound and neither listens nor is connected.
Fd bound_socket(int family, std::uint16_t port) {
    Fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP));
    if (!fd) return fd;
    sockaddr_storage address{};
    address.ss_family = static_cast<sa_family_t>(family);
    socklen_t size = sizeof(sockaddr_in);
    reinterpret_cast<sockaddr_in*>(&address)->sin_port = htons(port); // at one place in both
    if (family == AF_INET6) {
        size = sizeof(sockaddr_in6);
        const int only = 1;
        ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
    }
    return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0 ? std::move(fd)
                                                                                    : Fd();
}

// Whether the kernel lists such sockets (6.8).
bool lists_bound_sockets() {
    const Fd own = bound_socket(AF_INET, 0);
    sockaddr_in name{};
    socklen_t size = sizeof(name);
    if (!own || ::getsockname(own.get(), reinterpret_cast<sockaddr*>(&name), &size) != 0)
        return false;
    auto found = sockets({.local_port = ntohs(name.sin_port)});
    return found && !found->empty();
}

// For kernels that don't. Without SO_REUSEADDR, so whatever has the port is in the way.
Result<void> check_unlisted(const Owner& owner, std::uint16_t port) {
    for (int family : {AF_INET, AF_INET6}) {
        if (bound_socket(family, port) || errno != EADDRINUSE) continue;
        return failure(fmt::format("port {} may belong to a user other than {}: a socket that "
                                   "doesn't listen is bound to it, and this kernel (before 6.8) "
                                   "does not report its owner",
                                   port, owner.to_string()),
                       "stop the program that has it bound");
    }
    return {};
}

Result<void> check_reach(PortRange ports, std::string_view option, const HostFacts& facts) {
    if (!ports.overlaps(facts.ephemeral)) return {};
    auto open = missing_from(facts.reserved, common(ports, facts.ephemeral));
    if (open.empty()) return {};
    auto all = facts.reserved;
    all.insert(all.end(), open.begin(), open.end());
    return failure(fmt::format("{}: port {} is within {}, where the kernel gives ports to sockets "
                               "that connect, or listen, without a bind",
                               option, to_string(open), facts.ephemeral.to_string()),
                   fmt::format("sysctl -w net.ipv4.ip_local_reserved_ports={}",
                               to_string(merged(std::move(all)))));
}

} // namespace

Result<void> check_holders(const Owner& owner, const std::vector<Rule>& rules) {
    static const bool all_listed = lists_bound_sockets();
    for (const auto& rule : rules) {
        const PortRange target = rule.target();
        SocketQuery query{.protocol = rule.protocol()};
        if (target.first == target.last) query.local_port = target.first;
        auto found = sockets(query);
        if (!found) return std::unexpected(found.error());
        std::erase_if(*found,
                      [&](const Socket& socket) { return !target.contains(socket.local_port); });
        for (const auto& socket : *found)
            if (socket.inode && !may_hold(owner, socket))
                return failure(fmt::format("port {} is not {}'s: {}", socket.local_port,
                                           owner.to_string(), describe(socket)),
                               "stop that program first");
        if (all_listed || rule.protocol() != Protocol::kTcp) continue;
        for (unsigned port = target.first; port <= target.last; port++) {
            if (std::ranges::find(*found, port, &Socket::local_port) != found->end()) continue;
            if (auto free = check_unlisted(owner, static_cast<std::uint16_t>(port)); !free)
                return free;
        }
    }
    return {};
}

Result<void> check_guard(const GuardRequest& request, const std::vector<Rule>& rules,
                         const HostFacts& facts) {
    if (request.empty()) return {};
    // The programs know the cgroups that lie above, and run for those below only.
    constexpr std::uint64_t kRootInode = 1;
    if (auto root = root_cgroup(); root && root->id != kRootInode)
        return failure("bpfport runs in a cgroup namespace: the guard would not hold for programs "
                       "outside of it",
                       "run it in the host's cgroup namespace, or leave --owner and --reserve out");
    if (!current_netns_cookie())
        return failure("the guard's programs can't be told which network namespace this is",
                       "leave --owner and --reserve out; the target port is then open to every "
                       "local user while the service is down");
    for (const auto& rule : rules) {
        if (request.owner)
            if (auto checked = check_reach(rule.target(), "--owner", facts); !checked)
                return checked;
        if (request.reserve)
            if (auto checked = check_reach(rule.listen(), "--reserve", facts); !checked)
                return checked;
    }
    return request.owner ? check_holders(*request.owner, rules) : Result<void>{};
}

} // namespace bpfport
