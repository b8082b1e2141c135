// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The few networks that most traffic tests need, with addresses of both families.
#pragma once

#include "harness/address.hpp"
#include "harness/link.hpp"
#include "harness/netns.hpp"

namespace bpfport::test {

// client eth0 10.1.0.1, fd01::1  --  eth0 server 10.1.0.2, fd01::2
struct ClientServer {
    explicit ClientServer(bool tx_checksum = true);
    static Address server_address(bool ipv6) { return ipv6 ? "fd01::2" : "10.1.0.2"; }
    static Address client_address(bool ipv6) { return ipv6 ? "fd01::1" : "10.1.0.1"; }

    Netns client;
    Netns server;
    VethPair link; // a: the client's end
};

// client eth0 10.1.0.1  --  .254 left, router, right .254  --  eth0 server 10.2.0.2
// (fd01:: and fd02:: alike). The client's link has the smaller MTU: what the server sends in
// packets of 1500 comes back to it as an ICMP error of the router.
struct ClientRouterServer {
    explicit ClientRouterServer(unsigned narrow_mtu = 1280, bool tx_checksum = true);
    static Address server_address(bool ipv6) { return ipv6 ? "fd02::2" : "10.2.0.2"; }
    static Address client_address(bool ipv6) { return ipv6 ? "fd01::1" : "10.1.0.1"; }

    Netns client;
    Netns router;
    Netns server;
    VethPair client_link; // a: the client's end, b: the router's "left"
    VethPair server_link; // a: the server's end, b: the router's "right"
};

// A server with two uplinks to one client: eth0 10.1.0.2, eth1 10.2.0.2 (the client has .1). With
// asymmetric replies, the client asks by eth0 and the server answers by eth1.
struct TwoUplinks {
    explicit TwoUplinks(bool asymmetric = false);
    static Address first_address(bool ipv6) { return ipv6 ? "fd01::2" : "10.1.0.2"; }
    static Address second_address(bool ipv6) { return ipv6 ? "fd02::2" : "10.2.0.2"; }

    Netns client;
    Netns server;
    VethPair first; // a: the client's end
    VethPair second;
};

} // namespace bpfport::test
