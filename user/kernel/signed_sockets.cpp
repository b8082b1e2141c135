// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/signed_sockets.hpp"

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "kernel/netlink_dump.hpp"

namespace bpfport {

namespace {

using Bytes = std::span<const std::byte>;

void add_signed(Bytes messages, std::set<std::uint64_t>& cookies) {
    for_each_message(messages, [&](const nlmsghdr* message) {
        auto body = value_of<inet_diag_msg>(attributes_of(message, 0));
        if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY || !body) return;
        std::uint64_t cookie = 0;
        std::memcpy(&cookie, body->id.idiag_cookie, sizeof cookie);
        for_each_attribute(attributes_of(message, sizeof *body),
                           [&](std::uint16_t type, Bytes) {
                               if (type == INET_DIAG_MD5SIG) cookies.insert(cookie);
                           });
    });
}

} // namespace

Result<std::set<std::uint64_t>> signed_listeners() {
    std::set<std::uint64_t> cookies;
    for (int family : {AF_INET, AF_INET6}) {
        alignas(nlmsghdr) std::array<char, 256> buffer{};
        nlmsghdr* request = mnl_nlmsg_put_header(buffer.data());
        request->nlmsg_type = SOCK_DIAG_BY_FAMILY;
        auto* body = static_cast<inet_diag_req_v2*>(
            mnl_nlmsg_put_extra_header(request, sizeof(inet_diag_req_v2)));
        body->sdiag_family = static_cast<std::uint8_t>(family);
        body->sdiag_protocol = IPPROTO_TCP;
        body->idiag_states = 1U << TCP_LISTEN;
        body->idiag_ext = 1U << (INET_DIAG_INFO - 1); // keys come with it, or not at all
        auto messages = netlink_dump(NETLINK_SOCK_DIAG, request, "list TCP keys");
        if (!messages && messages.error().code == ENOENT) continue; // no such family here
        if (!messages) return std::unexpected(messages.error());
        add_signed(*messages, cookies);
    }
    return cookies;
}

} // namespace bpfport
