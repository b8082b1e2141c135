// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The sockets are made in the namespace and stay there whatever thread uses them.
#include "harness/servers.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <map>
#include <stdexcept>

#include "harness/netns.hpp"

namespace bpfport::test {
namespace {

Fd open_at(const Netns& netns, const Endpoint& at, int type, const ServerOptions& options) {
    auto socket = open_socket(netns, at.address.family(), type | SOCK_NONBLOCK,
                              {.source = at,
                               .reuse_port = options.reuse_port,
                               .mptcp = options.mptcp,
                               .v6only = options.v6only});
    if (!socket) throw std::runtime_error("server: " + socket.error().message);
    return std::move(*socket);
}

// One accepted connection: what it still has to be sent.
struct Connection {
    Fd socket;
    std::string pending;
};

// Sends what the socket takes. False when the connection is over.
bool flush(Connection& connection) {
    while (!connection.pending.empty()) {
        const ssize_t size = ::send(connection.socket.get(), connection.pending.data(),
                                    connection.pending.size(), MSG_NOSIGNAL);
        if (size < 0) return errno == EAGAIN;
        connection.pending.erase(0, static_cast<std::size_t>(size));
    }
    return true;
}

} // namespace

Server::Server(const Netns& netns, const Endpoint& at, int type, const ServerOptions& options)
    : options_(options), socket_(open_at(netns, at, type, options)),
      wake_(::eventfd(0, EFD_CLOEXEC)) {}

Server::~Server() { stop(); }

void Server::start(void (*loop)(Server&)) {
    thread_ = std::thread([this, loop] { loop(*this); });
}

void Server::stop() {
    if (!thread_.joinable()) return;
    ::eventfd_write(wake_.get(), 1);
    thread_.join();
}

void Server::note(Seen seen) {
    const std::scoped_lock lock(mutex_);
    seen_.push_back(std::move(seen));
}

std::vector<Seen> Server::seen() const {
    const std::scoped_lock lock(mutex_);
    return seen_;
}

std::string Server::reply_to(std::string message) const {
    if (!options_.answer.empty()) return options_.answer;
    return options_.reply_bytes == 0 ? std::move(message) : std::string(options_.reply_bytes, 'r');
}

TcpServer::TcpServer(const Netns& netns, const Endpoint& at, const ServerOptions& options)
    : Server(netns, at, SOCK_STREAM, options) {
    if (::listen(socket_.get(), 4096) != 0)
        throw std::runtime_error("listen: " + error_text(errno));
    start([](Server& self) { static_cast<TcpServer&>(self).serve(); });
}

TcpServer::~TcpServer() { stop(); }

void TcpServer::serve() {
    std::map<int, Connection> connections;
    std::string buffer(65536, '\0');
    for (;;) {
        std::vector<pollfd> waits = {{wake_.get(), POLLIN, 0}, {socket_.get(), POLLIN, 0}};
        for (const auto& [fd, connection] : connections)
            waits.push_back(
                {fd, static_cast<short>(connection.pending.empty() ? POLLIN : POLLOUT), 0});
        if (::poll(waits.data(), waits.size(), -1) < 0 || waits[0].revents != 0) return;
        if (waits[1].revents != 0) {
            Fd accepted(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
            if (accepted) {
                note({local_endpoint(accepted), peer_endpoint(accepted)});
                const int fd = accepted.get();
                connections.emplace(fd, Connection{std::move(accepted), {}});
            }
        }
        for (std::size_t i = 2; i < waits.size(); ++i) {
            if (waits[i].revents == 0) continue;
            Connection& connection = connections.at(waits[i].fd);
            bool alive = true;
            if (connection.pending.empty()) {
                const ssize_t size =
                    ::recv(connection.socket.get(), buffer.data(), buffer.size(), 0);
                alive = size > 0 || (size < 0 && errno == EAGAIN);
                if (size > 0)
                    connection.pending = reply_to(buffer.substr(0, static_cast<std::size_t>(size)));
            }
            const bool served = !connection.pending.empty();
            if (!alive || !flush(connection) ||
                (served && options_.closes && connection.pending.empty()))
                connections.erase(waits[i].fd);
        }
    }
}

UdpServer::UdpServer(const Netns& netns, const Endpoint& at, const ServerOptions& options)
    : Server(netns, at, SOCK_DGRAM, options) {
    start([](Server& self) { static_cast<UdpServer&>(self).serve(); });
}

UdpServer::~UdpServer() { stop(); }

void UdpServer::serve() {
    std::string buffer(65536, '\0');
    std::array<pollfd, 2> waits{{{wake_.get(), POLLIN, 0}, {socket_.get(), POLLIN, 0}}};
    while (::poll(waits.data(), waits.size(), -1) > 0 && waits[0].revents == 0) {
        SocketAddress from;
        const ssize_t size =
            ::recvfrom(socket_.get(), buffer.data(), buffer.size(), 0, from.get(), &from.size);
        if (size < 0) continue; // an ICMP error about an earlier reply
        note({local_endpoint(socket_), from.endpoint()});
        const std::string reply = reply_to(buffer.substr(0, static_cast<std::size_t>(size)));
        static_cast<void>(
            ::sendto(socket_.get(), reply.data(), reply.size(), 0, from.get(), from.size));
    }
}

} // namespace bpfport::test
