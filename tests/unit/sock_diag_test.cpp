// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Listeners and connections on record, made on the loopback of a namespace of the test's own.
#include "kernel/sock_diag.hpp"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernel/process.hpp"
#include "own_netns.hpp"

namespace bpfport {
namespace {

constexpr std::uint16_t kPort = 8080;
constexpr int kMptcp = 262; // IPPROTO_MPTCP

sockaddr_in6 endpoint(const char* text, std::uint16_t port) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    inet_pton(AF_INET6, text, &address.sin6_addr);
    return address;
}

Fd bound(int type, int protocol, const char* text, std::uint16_t port, bool v6only = false) {
    Fd socket(::socket(AF_INET6, type | SOCK_CLOEXEC, protocol));
    if (!socket) return socket;
    int on = v6only;
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    auto address = endpoint(text, port);
    EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    if (type == SOCK_STREAM) {
        EXPECT_EQ(::listen(socket.get(), 8), 0);
    }
    return socket;
}

Fd connected(const char* text, std::uint16_t port) {
    Fd socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto address = endpoint(text, port);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return socket;
}

std::uint32_t inode_of(const Fd& socket) {
    struct stat status {};
    ::fstat(socket.get(), &status);
    return static_cast<std::uint32_t>(status.st_ino);
}

std::uint64_t cookie_of(const Fd& socket) {
    std::uint64_t cookie = 0;
    socklen_t length = sizeof cookie;
    ::getsockopt(socket.get(), SOL_SOCKET, SO_COOKIE, &cookie, &length);
    return cookie;
}

TEST(Listeners, AreFoundByProtocolAndPort) {
    auto refusal = in_own_netns([] {
        Fd dual = bound(SOCK_STREAM, 0, "::", kPort);
        Fd v4 = bound(SOCK_STREAM, 0, "::ffff:127.0.0.1", kPort + 1);
        Fd v6 = bound(SOCK_STREAM, 0, "::1", kPort + 2, true);
        Fd udp = bound(SOCK_DGRAM, 0, "::1", kPort);

        auto tcp = listeners(Protocol::kTcp, kPort);
        ASSERT_TRUE(tcp) << tcp.error().message;
        ASSERT_EQ(tcp->size(), 1U);
        EXPECT_EQ(tcp->front().inode, inode_of(dual));
        EXPECT_EQ(tcp->front().cookie, cookie_of(dual));
        EXPECT_EQ(tcp->front().state, TCP_LISTEN);
        EXPECT_EQ(tcp->front().uid, ::getuid());
        EXPECT_EQ(tcp->front().v6only, false);
        EXPECT_TRUE(tcp->front().ipv6);
        EXPECT_TRUE(tcp->front().local.is_any());
        EXPECT_FALSE(tcp->front().mptcp);

        auto mapped = listeners(Protocol::kTcp, kPort + 1);
        ASSERT_EQ(mapped.value().size(), 1U);
        EXPECT_EQ(mapped->front().local.to_string(), "127.0.0.1");
        EXPECT_EQ(listeners(Protocol::kTcp, kPort + 2).value().at(0).v6only, true);

        auto datagrams = listeners(Protocol::kUdp, kPort);
        ASSERT_EQ(datagrams.value().size(), 1U);
        EXPECT_EQ(datagrams->front().inode, inode_of(udp));
        EXPECT_EQ(datagrams->front().local.to_string(), "::1");
        EXPECT_TRUE(listeners(Protocol::kUdp, kPort + 1).value().empty());
        EXPECT_EQ(sockets({.states = 1U << TCP_LISTEN}).value().size(), 3U);
    });
    if (!refusal.empty()) GTEST_SKIP() << refusal;
}

TEST(Listeners, OfIPv4AreFound) {
    auto refusal = in_own_netns([] {
        Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(kPort);
        ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        ASSERT_EQ(::listen(socket.get(), 8), 0);
        auto found = listeners(Protocol::kTcp, kPort);
        ASSERT_EQ(found.value().size(), 1U);
        EXPECT_FALSE(found->front().ipv6);
        EXPECT_EQ(found->front().local.to_string(), "0.0.0.0");
        EXPECT_EQ(found->front().v6only, std::nullopt);
    });
    if (!refusal.empty()) GTEST_SKIP() << refusal;
}

TEST(Listeners, OfMultipathTcpAreFoundAndMarked) {
    std::string no_mptcp;
    auto refusal = in_own_netns([&] {
        Fd socket = bound(SOCK_STREAM, kMptcp, "::", kPort);
        if (!socket) {
            no_mptcp = "no Multipath TCP: " + error_text(errno);
            return;
        }
        auto found = listeners(Protocol::kTcp, kPort);
        ASSERT_EQ(found.value().size(), 1U);
        EXPECT_TRUE(found->front().mptcp);
        EXPECT_EQ(found->front().inode, inode_of(socket));
        std::uint32_t inodes[] = {found->front().inode};
        EXPECT_EQ(socket_owners(inodes).at(inodes[0]).pid, ::getpid());
    });
    if (refusal.empty()) refusal = no_mptcp;
    if (!refusal.empty()) GTEST_SKIP() << refusal;
}

// An SK_STORAGE map of 8-byte values; such a map must describe them by BTF.
Fd make_storage() {
    std::unique_ptr<btf, decltype(&btf__free)> types(btf__new_empty(), btf__free);
    int key = btf__add_int(types.get(), "int", 4, BTF_INT_SIGNED);
    int value = btf__add_int(types.get(), "u64", 8, 0);
    if (btf__load_into_kernel(types.get()) < 0) return {};
    LIBBPF_OPTS(bpf_map_create_opts, options, .btf_fd = static_cast<__u32>(btf__fd(types.get())),
                .btf_key_type_id = static_cast<__u32>(key),
                .btf_value_type_id = static_cast<__u32>(value), .map_flags = BPF_F_NO_PREALLOC, );
    return Fd(bpf_map_create(BPF_MAP_TYPE_SK_STORAGE, "test_records", 4, 8, 0, &options));
}

TEST(StoredSockets, AreThoseWithAValueInTheMap) {
    std::string no_map;
    auto refusal = in_own_netns([&] {
        Fd map = make_storage();
        if (!map) {
            no_map = "no SK_STORAGE map: " + error_text(errno);
            return;
        }
        Fd other = make_storage();
        Fd listener = bound(SOCK_STREAM, 0, "::", kPort);
        Fd client6 = connected("::1", kPort);
        Fd server6(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        Fd client4 = connected("::ffff:127.0.0.1", kPort);
        Fd server4(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        auto store = [](const Fd& where, const Fd& socket, std::uint64_t value) {
            int fd = socket.get();
            ASSERT_EQ(bpf_map_update_elem(where.get(), &fd, &value, BPF_ANY), 0);
        };
        EXPECT_TRUE(stored_sockets(map.get()).value().empty());
        store(map, server6, 0x0102030405060708);
        store(map, server4, 7);
        store(map, client4, 9);
        store(other, client6, 1);

        auto found = stored_sockets(map.get(), kPort);
        ASSERT_TRUE(found) << found.error().message;
        ASSERT_EQ(found->size(), 2U);
        for (const StoredSocket& one : *found) {
            bool is_six = one.socket.cookie == cookie_of(server6);
            EXPECT_EQ(one.socket.cookie, cookie_of(is_six ? server6 : server4));
            EXPECT_EQ(one.socket.peer.to_string(), is_six ? "::1" : "127.0.0.1");
            std::uint64_t value = 0;
            ASSERT_EQ(one.value.size(), sizeof value);
            std::memcpy(&value, one.value.data(), sizeof value);
            EXPECT_EQ(value, is_six ? 0x0102030405060708U : 7U);
        }
        EXPECT_EQ(stored_sockets(map.get()).value().size(), 3U);
        EXPECT_EQ(stored_sockets(other.get()).value().size(), 1U);

        // Half closed, the connection is still on record. Closed by its program, it becomes a
        // TIME_WAIT stub without storage as soon as the peer acknowledges, which may take 40 ms.
        ::shutdown(server6.get(), SHUT_WR);
        EXPECT_EQ(stored_sockets(map.get(), kPort).value().size(), 2U);
        server6 = Fd();
        for (int i = 0; i < 200 && stored_sockets(map.get(), kPort).value().size() > 1; ++i)
            ::usleep(10'000);
        EXPECT_EQ(stored_sockets(map.get(), kPort).value().size(), 1U);
    });
    if (refusal.empty()) refusal = no_map;
    if (!refusal.empty()) GTEST_SKIP() << refusal;
}

TEST(StoredSockets, OfNoMapAreAnError) {
    auto found = stored_sockets(-1);
    ASSERT_FALSE(found);
    EXPECT_THAT(found.error().message, testing::StartsWith("connections on record: list tcp"));
}

// Found by fuzzing (a null pointer for memcpy, which only a sanitizer sees).
TEST(ParseSockets, AnEmptyValueIsNone) {
    std::array<char, 256> buffer{};
    nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    auto* body =
        static_cast<inet_diag_msg*>(mnl_nlmsg_put_extra_header(message, sizeof(inet_diag_msg)));
    body->idiag_family = AF_INET6;
    nlattr* storages = mnl_attr_nest_start(message, INET_DIAG_SK_BPF_STORAGES);
    nlattr* storage = mnl_attr_nest_start(message, SK_DIAG_BPF_STORAGE);
    mnl_attr_put(message, SK_DIAG_BPF_STORAGE_MAP_VALUE, 0, nullptr);
    mnl_attr_nest_end(message, storage);
    mnl_attr_nest_end(message, storages);
    auto bytes = std::as_bytes(std::span(buffer.data(), message->nlmsg_len));
    auto found = parse_sockets(bytes, Protocol::kTcp);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_TRUE(found[0].value.empty());
}

TEST(ParseSockets, NeverReadsBeyondTheBytes) {
    std::vector<std::byte> bytes(200);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        auto length = static_cast<std::uint32_t>(size);
        std::uint16_t type = 20; // SOCK_DIAG_BY_FAMILY
        std::vector<std::byte> cut(size);
        if (size >= 16) {
            std::memcpy(cut.data(), &length, sizeof length);
            std::memcpy(cut.data() + 4, &type, sizeof type);
            cut[size > 16 ? 16 : 0] = std::byte{AF_INET};
        }
        EXPECT_LE(parse_sockets(cut, Protocol::kTcp).size(), 1U);
    }
}

} // namespace
} // namespace bpfport
