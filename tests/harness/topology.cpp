// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/topology.hpp"

#include <fmt/format.h>

namespace bpfport::test {
namespace {

// Addresses of network `net` (1, 2) with the host number, both families.
void address(const Interface& interface, int net, const std::string& host) {
    interface.add_address(fmt::format("10.{}.0.{}/24", net, host));
    interface.add_address(fmt::format("fd0{}::{}/64", net, host));
}

void default_routes(const Netns& netns, int net) {
    netns.ip(fmt::format("route add default via 10.{}.0.254", net));
    netns.ip(fmt::format("-6 route add default via fd0{}::254", net));
}

// Answers may leave by another interface than the one the question came by.
void loose(const Netns& netns) {
    netns.sysctl("net/ipv4/conf/all/rp_filter", "0");
    netns.sysctl("net/ipv4/conf/eth0/rp_filter", "0");
    netns.sysctl("net/ipv4/conf/eth1/rp_filter", "0");
}

} // namespace

ClientServer::ClientServer(bool tx_checksum) : link(client, "eth0", server, "eth0") {
    address(link.a, 1, "1");
    address(link.b, 1, "2");
    link.tx_checksum(tx_checksum);
}

ClientRouterServer::ClientRouterServer(unsigned narrow_mtu, bool tx_checksum)
    : client_link(client, "eth0", router, "left"), server_link(server, "eth0", router, "right") {
    client_link.mtu(narrow_mtu);
    address(client_link.a, 1, "1");
    address(client_link.b, 1, "254");
    address(server_link.a, 2, "2");
    address(server_link.b, 2, "254");
    client_link.tx_checksum(tx_checksum);
    server_link.tx_checksum(tx_checksum);
    default_routes(client, 1);
    default_routes(server, 2);
    router.sysctl("net/ipv4/ip_forward", "1");
    router.sysctl("net/ipv6/conf/all/forwarding", "1");
}

TwoUplinks::TwoUplinks(bool asymmetric)
    : first(client, "eth0", server, "eth0"), second(client, "eth1", server, "eth1") {
    address(first.a, 1, "1");
    address(first.b, 1, "2");
    address(second.a, 2, "1");
    address(second.b, 2, "2");
    if (!asymmetric) return;
    loose(client);
    loose(server);
    // More specific than the connected network: answers to the client's first address take eth1.
    server.ip("route add 10.1.0.1/32 via 10.2.0.1 dev eth1");
    server.ip("-6 route add fd01::1/128 via fd02::1 dev eth1");
}

} // namespace bpfport::test
