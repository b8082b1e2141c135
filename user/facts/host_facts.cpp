// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "facts/host_facts.hpp"

#include <netinet/tcp.h>

#include <algorithm>

#include <fmt/format.h>

#include "kernel/process.hpp"
#include "kernel/sysctl.hpp"

namespace bpfport {

namespace {

Result<void> add_listeners(Protocol protocol, std::vector<Listener>& out) {
    auto list = sockets(
        {protocol, protocol == Protocol::kTcp ? 1U << TCP_LISTEN : 1U << TCP_CLOSE, std::nullopt});
    if (!list) return std::unexpected(list.error());
    for (const auto& socket : *list) out.push_back({socket, {}});
    return {};
}

void name_processes(std::vector<Listener>& listeners) {
    std::vector<std::uint32_t> inodes;
    for (const auto& listener : listeners) inodes.push_back(listener.socket.inode);
    auto owners = socket_owners(inodes);
    for (auto& listener : listeners)
        if (auto owner = owners.find(listener.socket.inode); owner != owners.end())
            listener.process = owner->second.to_string();
}

} // namespace

std::string Listener::to_string() const {
    std::string where = socket.local.is_v4() || !socket.ipv6
                            ? socket.local.to_string()
                            : fmt::format("[{}]", socket.local.to_string());
    return fmt::format("{} listens on {}:{}", process.empty() ? "an unknown process" : process,
                       where, socket.local_port);
}

Result<HostFacts> host_facts(Owners owners) {
    HostFacts facts;
    auto list = interfaces();
    if (!list) return std::unexpected(list.error());
    facts.interfaces = std::move(*list);
    for (Protocol protocol : {Protocol::kTcp, Protocol::kUdp})
        if (auto added = add_listeners(protocol, facts.listeners); !added)
            return std::unexpected(added.error());
    if (owners == Owners::kName) name_processes(facts.listeners);
    if (auto range = local_port_range()) facts.ephemeral = *range;
    if (auto reserved = reserved_ports()) facts.reserved = std::move(*reserved);
    return facts;
}

std::string scope_name(unsigned ifindex, const std::vector<Interface>& interfaces) {
    if (!ifindex) return "any";
    const Interface* known = find_interface(interfaces, ifindex);
    return known ? known->name : fmt::format("interface {} (gone)", ifindex);
}

} // namespace bpfport
