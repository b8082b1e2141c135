// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/sockets.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "harness/netns.hpp"

namespace bpfport::test {
namespace {

bool enable(const Fd& socket, int level, int option) {
    const int one = 1;
    return ::setsockopt(socket.get(), level, option, &one, sizeof(one)) == 0;
}

bool set_timeouts(const Fd& socket, std::chrono::milliseconds timeout) {
    const timeval value{.tv_sec = timeout.count() / 1000, .tv_usec = timeout.count() % 1000 * 1000};
    return ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &value, sizeof(value)) == 0 &&
           ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &value, sizeof(value)) == 0;
}

Result<Fd> open_connected(const Netns& netns, const Endpoint& server, int type,
                          const SocketOptions& options) {
    auto socket = open_socket(netns, server.address.family(), type, options);
    if (!socket) return socket;
    const SocketAddress to(server);
    if (::connect(socket->get(), to.get(), to.size) == 0) return socket;
    // A blocking connect whose SO_SNDTIMEO ran out says EINPROGRESS.
    return system_error("connect to " + server.text(), errno == EINPROGRESS ? ETIMEDOUT : errno);
}

Result<std::size_t> sent(ssize_t size) {
    if (size < 0) return system_error("send");
    return static_cast<std::size_t>(size);
}

Endpoint name_of(const Fd& socket, int (*get_name)(int, sockaddr*, socklen_t*)) {
    SocketAddress address;
    if (get_name(socket.get(), address.get(), &address.size) != 0) return {};
    return address.endpoint();
}

} // namespace

Result<Fd> open_socket(const Netns& netns, int family, int type, const SocketOptions& options) {
    const int protocol = options.mptcp ? IPPROTO_MPTCP : 0;
    Fd socket(netns.run([&] { return ::socket(family, type | SOCK_CLOEXEC, protocol); }));
    if (!socket) return system_error("socket");
    // Without a port of its own, two datagram sockets with SO_REUSEADDR may get the same one.
    const bool reuse_address = options.reuse_address && options.source && options.source->port != 0;
    if ((reuse_address && !enable(socket, SOL_SOCKET, SO_REUSEADDR)) ||
        (options.reuse_port && !enable(socket, SOL_SOCKET, SO_REUSEPORT)) ||
        (options.v6only && !enable(socket, IPPROTO_IPV6, IPV6_V6ONLY)) ||
        (!options.udp_checksum && !enable(socket, SOL_SOCKET, SO_NO_CHECK)) ||
        !set_timeouts(socket, options.timeout))
        return system_error("set socket options");
    if (options.source) {
        const SocketAddress source(*options.source);
        if (::bind(socket.get(), source.get(), source.size) != 0)
            return system_error("bind to " + options.source->text());
    }
    return socket;
}

Endpoint local_endpoint(const Fd& socket) { return name_of(socket, ::getsockname); }
Endpoint peer_endpoint(const Fd& socket) { return name_of(socket, ::getpeername); }

Result<TcpClient> TcpClient::connect(const Netns& netns, const Endpoint& server,
                                     const SocketOptions& options) {
    auto socket = open_connected(netns, server, SOCK_STREAM, options);
    if (!socket) return std::unexpected(socket.error());
    return TcpClient(std::move(*socket));
}

Result<std::size_t> TcpClient::send(std::string_view data) {
    return sent(::send(socket_.get(), data.data(), data.size(), MSG_NOSIGNAL));
}

Result<std::string> TcpClient::receive(std::size_t size) {
    std::string data(size, '\0');
    std::size_t have = 0;
    while (have < size) {
        const ssize_t got = ::recv(socket_.get(), data.data() + have, size - have, 0);
        if (got < 0) return system_error(fmt::format("receive, after {} bytes", have));
        if (got == 0) break;
        have += static_cast<std::size_t>(got);
    }
    data.resize(have);
    return data;
}

Result<std::string> TcpClient::echo(std::string_view message) {
    if (auto done = send(message); !done) return std::unexpected(done.error());
    return receive(message.size());
}

void TcpClient::reset() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    Fd closed;
    std::swap(closed, socket_);
}

Result<UdpClient> UdpClient::open(const Netns& netns, bool ipv6, const SocketOptions& options) {
    auto socket = open_socket(netns, ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM, options);
    if (!socket) return std::unexpected(socket.error());
    return UdpClient(std::move(*socket));
}

Result<UdpClient> UdpClient::connect(const Netns& netns, const Endpoint& server,
                                     const SocketOptions& options) {
    auto socket = open_connected(netns, server, SOCK_DGRAM, options);
    if (!socket) return std::unexpected(socket.error());
    return UdpClient(std::move(*socket));
}

Result<std::size_t> UdpClient::send(std::string_view data) {
    return sent(::send(socket_.get(), data.data(), data.size(), MSG_NOSIGNAL));
}

Result<std::size_t> UdpClient::send_to(const Endpoint& server, std::string_view data) {
    const SocketAddress to(server);
    return sent(::sendto(socket_.get(), data.data(), data.size(), 0, to.get(), to.size));
}

Result<Datagram> UdpClient::receive() {
    std::string data(65536, '\0');
    SocketAddress from;
    const ssize_t size =
        ::recvfrom(socket_.get(), data.data(), data.size(), 0, from.get(), &from.size);
    if (size < 0) return system_error("receive");
    data.resize(static_cast<std::size_t>(size));
    return Datagram{std::move(data), from.endpoint()};
}

Result<Datagram> UdpClient::echo(std::string_view message) {
    if (auto done = send(message); !done) return std::unexpected(done.error());
    return receive();
}

} // namespace bpfport::test
