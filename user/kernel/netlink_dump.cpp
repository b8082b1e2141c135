// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/netlink_dump.hpp"

#include <libmnl/libmnl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>

#include <fmt/format.h>

namespace bpfport {

namespace {

struct Closer {
    void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};
using NetlinkSocket = std::unique_ptr<mnl_socket, Closer>;

// Ends of an answer: 0 when a further message follows, kDone, kInterrupted, or a negative errno.
constexpr int kDone = 1;
constexpr int kInterrupted = 2;

int check(const nlmsghdr* message) {
    std::size_t payload = mnl_nlmsg_get_payload_len(message);
    int code = 0;
    if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE) {
        if (payload >= sizeof code) std::memcpy(&code, mnl_nlmsg_get_payload(message), sizeof code);
        if (code < 0) return code;
    }
    if (message->nlmsg_flags & NLM_F_DUMP_INTR) return kInterrupted;
    if (message->nlmsg_type == NLMSG_DONE) return kDone;
    return message->nlmsg_type == NLMSG_ERROR ? kDone : 0; // an acknowledgement
}

// One go at the dump: kDone, kInterrupted, or a negative errno.
int receive(mnl_socket* socket, std::uint32_t sequence, std::vector<std::byte>& messages) {
    // The kernel fills what the reader offers, up to 32 KiB; one message larger than that comes
    // whole.
    alignas(nlmsghdr) std::array<char, 65536> buffer;
    for (;;) {
        ssize_t length = mnl_socket_recvfrom(socket, buffer.data(), buffer.size());
        if (length < 0) return -errno;
        int left = static_cast<int>(length);
        auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
        for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
            if (message->nlmsg_seq != sequence) continue;
            if (int end = check(message); end != 0) return end;
            auto* first = reinterpret_cast<const std::byte*>(message);
            messages.insert(messages.end(), first, first + message->nlmsg_len);
            messages.resize(NLMSG_ALIGN(messages.size()));
        }
    }
}

// One request and its answer, on a socket of its own: the rest of an interrupted one goes with it.
// kDone or kInterrupted.
Result<int> ask(int bus, nlmsghdr* request, std::string_view what, Check check,
                std::vector<std::byte>& messages) {
    NetlinkSocket socket(mnl_socket_open2(bus, SOCK_CLOEXEC));
    if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0)
        return system_error(fmt::format("{}: open a netlink socket", what));
    int on = 1;
    if (check == Check::kStrict)
        mnl_socket_setsockopt(socket.get(), NETLINK_GET_STRICT_CHK, &on, sizeof on);
    if (mnl_socket_sendto(socket.get(), request, request->nlmsg_len) < 0)
        return system_error(fmt::format("{}: send the request", what));
    messages.clear();
    int end = receive(socket.get(), request->nlmsg_seq, messages);
    if (end < 0) return system_error(what, -end);
    return end;
}

} // namespace

Result<std::vector<std::byte>> netlink_get(int bus, nlmsghdr* request, std::string_view what) {
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_ECHO; // a qdisc is told by echo only
    request->nlmsg_seq = 1;
    std::vector<std::byte> messages;
    auto end = ask(bus, request, what, Check::kLoose, messages);
    if (!end) return std::unexpected(end.error());
    return messages;
}

Result<std::vector<std::byte>> netlink_dump(int bus, nlmsghdr* request, std::string_view what,
                                            Check check) {
    // Thousands of new IPv6 addresses change for seconds after they came, each when its check for
    // duplicates ends.
    constexpr auto kPatience = std::chrono::seconds(10);
    constexpr auto kLongestPause = std::chrono::milliseconds(200);
    auto end_of_patience = std::chrono::steady_clock::now() + kPatience;
    auto pause = std::chrono::milliseconds(1);
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    std::vector<std::byte> messages;
    for (std::uint32_t sequence = 1; std::chrono::steady_clock::now() < end_of_patience;
         ++sequence) {
        request->nlmsg_seq = sequence;
        auto end = ask(bus, request, what, check, messages);
        if (!end) return std::unexpected(end.error());
        if (*end == kDone) return messages;
        std::this_thread::sleep_for(pause);
        pause = std::min(2 * pause, kLongestPause);
    }
    return failure(fmt::format("{}: changed during each try for {} s", what, kPatience.count()),
                   "try again when fewer interfaces or sockets come and go");
}

void for_each_message(std::span<const std::byte> messages,
                      const std::function<void(const nlmsghdr*)>& visit) {
    // Not mnl_nlmsg_ok(), which takes a length above INT_MAX for a negative one, and so for short.
    while (auto header = value_of<nlmsghdr>(messages)) {
        if (header->nlmsg_len < NLMSG_HDRLEN || header->nlmsg_len > messages.size()) return;
        visit(reinterpret_cast<const nlmsghdr*>(messages.data()));
        messages = messages.subspan(
            std::min<std::size_t>(NLMSG_ALIGN(header->nlmsg_len), messages.size()));
    }
}

std::span<const std::byte> attributes_of(const nlmsghdr* message, std::size_t header_size) {
    std::size_t offset = NLMSG_HDRLEN + NLMSG_ALIGN(header_size);
    if (message->nlmsg_len <= offset) return {};
    auto* first = reinterpret_cast<const std::byte*>(message);
    return {first + offset, first + message->nlmsg_len};
}

void for_each_attribute(std::span<const std::byte> attributes, const AttributeVisitor& visit) {
    while (auto header = value_of<nlattr>(attributes)) {
        if (header->nla_len < NLA_HDRLEN || header->nla_len > attributes.size()) return;
        visit(header->nla_type & NLA_TYPE_MASK,
              attributes.subspan(NLA_HDRLEN, header->nla_len - NLA_HDRLEN));
        attributes = attributes.subspan(
            std::min<std::size_t>(NLA_ALIGN(header->nla_len), attributes.size()));
    }
}

} // namespace bpfport
