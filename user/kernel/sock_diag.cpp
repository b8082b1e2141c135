// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/sock_diag.hpp"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <string_view>

#include <fmt/format.h>

#include "kernel/netlink_dump.hpp"

namespace bpfport {

namespace {

using Bytes = std::span<const std::byte>;

// Dumps both families; the kernel takes one at a time.
Result<std::vector<StoredSocket>> dump(const SocketQuery& query, std::optional<int> map_fd) {
    auto what = fmt::format("list {} sockets", to_string(query.protocol));
    std::vector<StoredSocket> result;
    for (int family : {AF_INET, AF_INET6}) {
        alignas(nlmsghdr) std::array<char, 256> buffer{};
        nlmsghdr* request = mnl_nlmsg_put_header(buffer.data());
        request->nlmsg_type = SOCK_DIAG_BY_FAMILY;
        auto* body = static_cast<inet_diag_req_v2*>(
            mnl_nlmsg_put_extra_header(request, sizeof(inet_diag_req_v2)));
        body->sdiag_family = static_cast<std::uint8_t>(family);
        body->sdiag_protocol = query.protocol == Protocol::kTcp ? IPPROTO_TCP : IPPROTO_UDP;
        body->idiag_states = query.states;
        // What tells of Multipath TCP and of keys comes along with INET_DIAG_INFO only. Not for connections on
        // record: it is the larger part of each answer.
        if (!map_fd) body->idiag_ext = 1U << (INET_DIAG_INFO - 1);
        // In a dump this is a filter, and the port is the only field of the id that is.
        body->id.idiag_sport = htons(query.local_port.value_or(0));
        if (map_fd) {
            nlattr* storages = mnl_attr_nest_start(request, INET_DIAG_REQ_SK_BPF_STORAGES);
            mnl_attr_put_u32(request, SK_DIAG_BPF_STORAGE_REQ_MAP_FD,
                             static_cast<std::uint32_t>(*map_fd));
            mnl_attr_nest_end(request, storages);
        }
        auto messages = netlink_dump(NETLINK_SOCK_DIAG, request, what);
        if (!messages && messages.error().code == ENOENT) {
            // A kernel without IPv6 has no IPv6 sockets; one without the module can't tell of any.
            if (family == AF_INET6) continue;
            messages.error().hint = fmt::format("needs the kernel's {0}_diag: modprobe {0}_diag",
                                                to_string(query.protocol));
        }
        if (!messages) return std::unexpected(messages.error());
        auto found = parse_sockets(*messages, query.protocol);
        std::ranges::move(found, std::back_inserter(result));
    }
    return result;
}

bool is_mptcp(Bytes ulp_info) {
    constexpr std::string_view kName = "mptcp";
    bool found = false;
    for_each_attribute(ulp_info, [&](std::uint16_t type, Bytes payload) {
        if (type == INET_ULP_INFO_NAME && payload.size() >= kName.size())
            found = std::memcmp(payload.data(), kName.data(), kName.size()) == 0;
    });
    return found;
}

// The value of the one map that was asked for.
std::vector<std::uint8_t> storage_value(Bytes storages) {
    std::vector<std::uint8_t> value;
    for_each_attribute(storages, [&](std::uint16_t type, Bytes storage) {
        if (type != SK_DIAG_BPF_STORAGE) return;
        for_each_attribute(storage, [&](std::uint16_t inner, Bytes payload) {
            if (inner != SK_DIAG_BPF_STORAGE_MAP_VALUE) return;
            auto* first = reinterpret_cast<const std::uint8_t*>(payload.data());
            value.assign(first, first + payload.size());
        });
    });
    return value;
}

Address address_of(bool ipv6, const void* bytes) {
    return ipv6 ? Address::from_v6(bytes) : Address::from_v4(bytes);
}

StoredSocket parse_socket(const inet_diag_msg& message, Bytes attributes, Protocol protocol) {
    StoredSocket result;
    Socket& socket = result.socket;
    socket.protocol = protocol;
    socket.ipv6 = message.idiag_family == AF_INET6;
    socket.local = address_of(socket.ipv6, message.id.idiag_src);
    socket.local_port = ntohs(message.id.idiag_sport);
    socket.peer = address_of(socket.ipv6, message.id.idiag_dst);
    socket.peer_port = ntohs(message.id.idiag_dport);
    socket.state = message.idiag_state;
    socket.uid = message.idiag_uid;
    socket.inode = message.idiag_inode;
    socket.ifindex = message.id.idiag_if;
    std::memcpy(&socket.cookie, message.id.idiag_cookie, sizeof socket.cookie);
    for_each_attribute(attributes, [&](std::uint16_t type, Bytes payload) {
        switch (type) {
        case INET_DIAG_SKV6ONLY:
            if (auto only = value_of<std::uint8_t>(payload)) socket.v6only = *only != 0;
            break;
        case INET_DIAG_ULP_INFO:
            socket.mptcp = is_mptcp(payload);
            break;
        case INET_DIAG_MD5SIG:
            socket.md5 = true;
            break;
        case INET_DIAG_SK_BPF_STORAGES:
            result.value = storage_value(payload);
            break;
        default:
            break;
        }
    });
    return result;
}

} // namespace

std::vector<StoredSocket> parse_sockets(Bytes messages, Protocol protocol) {
    std::vector<StoredSocket> result;
    for_each_message(messages, [&](const nlmsghdr* message) {
        auto body = value_of<inet_diag_msg>(attributes_of(message, 0));
        if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY || !body) return;
        if (body->idiag_family != AF_INET && body->idiag_family != AF_INET6) return;
        result.push_back(parse_socket(*body, attributes_of(message, sizeof *body), protocol));
    });
    return result;
}

Result<std::vector<Socket>> sockets(const SocketQuery& query) {
    auto found = dump(query, std::nullopt);
    if (!found) return std::unexpected(found.error());
    std::vector<Socket> result;
    result.reserve(found->size());
    for (const StoredSocket& one : *found) result.push_back(one.socket);
    return result;
}

Result<std::vector<Socket>> listeners(Protocol protocol, std::uint16_t port) {
    // An unconnected UDP socket is in the state that the kernel calls closed.
    int state = protocol == Protocol::kTcp ? TCP_LISTEN : TCP_CLOSE;
    return sockets({.protocol = protocol, .states = 1U << state, .local_port = port});
}

Result<std::vector<StoredSocket>> stored_sockets(int map_fd,
                                                 std::optional<std::uint16_t> local_port) {
    // TIME_WAIT and half-open ones are not full sockets and can't hold a value. SYN_RECV stays: a
    // TCP Fast Open connection is whole in that state.
    constexpr int kNewSynReceived = 12; // include/net/tcp_states.h
    constexpr std::uint32_t kFullSockets =
        kAllStates & ~(1U << TCP_TIME_WAIT) & ~(1U << kNewSynReceived);
    auto found = dump({.states = kFullSockets, .local_port = local_port}, map_fd);
    if (!found) {
        auto& error = found.error();
        if (error.code == EPERM) error.hint = "reading values needs CAP_BPF; try sudo";
        return context("connections on record", error);
    }
    std::erase_if(*found, [](const StoredSocket& one) { return one.value.empty(); });
    return found;
}

} // namespace bpfport
