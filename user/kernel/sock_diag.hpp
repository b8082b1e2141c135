// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Sockets of the current network namespace, by NETLINK_SOCK_DIAG: the listeners on a port, and which
// connections carry a record (a value in an SK_STORAGE map).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/error.hpp"
#include "rule/address.hpp"
#include "rule/port.hpp"
#include "rule/rule.hpp"

namespace bpfport {

struct Socket {
    Protocol protocol = Protocol::kTcp;
    bool ipv6 = false; // an AF_INET6 socket; it may serve IPv4 too, see v6only
    Address local;
    std::uint16_t local_port = 0; // host order
    Address peer;
    std::uint16_t peer_port = 0;
    std::uint8_t state = 0; // TCP_ESTABLISHED, TCP_LISTEN ... of <netinet/tcp.h>, for UDP as well
    uid_t uid = 0;
    std::uint32_t inode = 0; // 0: no process holds it (TIME_WAIT, not yet accepted)
    unsigned ifindex = 0;    // bound to this interface; 0: to none
    std::uint64_t cookie = 0;
    std::optional<bool> v6only; // known for AF_INET6 sockets that listen or are not connected
    // A Multipath-TCP socket; it can't be put into a sockmap. Told to CAP_NET_ADMIN by some kernels
    // only, and not by stored_sockets().
    bool mptcp = false;
    // Has a key for TCP MD5 signatures (RFC 2385; BGP uses them). Told to CAP_NET_ADMIN only, and not
    // by stored_sockets(). The kernel does not report keys of TCP AO (RFC 5925).
    bool md5 = false;
};

inline constexpr std::uint32_t kAllStates = 0xffffffff;

struct SocketQuery {
    Protocol protocol = Protocol::kTcp;
    std::uint32_t states = kAllStates; // bit 1 << TCP_LISTEN ...
    std::optional<std::uint16_t> local_port = {};
};

// IPv4 and IPv6.
Result<std::vector<Socket>> sockets(const SocketQuery& query);

// TCP sockets that listen on the port; UDP sockets bound to it and not connected. A Multipath-TCP
// listener appears once, with the inode and uid of the socket that its program holds.
Result<std::vector<Socket>> listeners(Protocol protocol, std::uint16_t port);

struct StoredSocket {
    Socket socket;
    std::vector<std::uint8_t> value;
};

// TCP sockets that carry a value in the SK_STORAGE map, with the value. Kernel 5.7+, CAP_BPF. A
// connection that its program has closed is gone from here once the peer has acknowledged that (it
// is a TIME_WAIT stub then, without storage), even if the peer has not closed its own side.
Result<std::vector<StoredSocket>> stored_sockets(int map_fd,
                                                 std::optional<std::uint16_t> local_port = {});

// The parser: SOCK_DIAG_BY_FAMILY messages; others and malformed ones are skipped. `value` is empty
// where a message has none.
std::vector<StoredSocket> parse_sockets(std::span<const std::byte> messages, Protocol protocol);

} // namespace bpfport
