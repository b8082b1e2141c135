// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Clients of tests: small TCP and UDP sockets in a namespace. Every call is bounded by the timeout;
// what the kernel refused is an Error with its errno, so that a test can ask for ECONNREFUSED.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "harness/address.hpp"

namespace bpfport::test {

class Netns;

struct SocketOptions {
    std::optional<Endpoint> source{}; // port 0: any
    bool reuse_address = true;
    bool reuse_port = false;
    bool mptcp = false;
    bool v6only = false;
    bool udp_checksum = true; // false: SO_NO_CHECK, the UDP checksum is 0 (IPv4)
    std::chrono::milliseconds timeout = std::chrono::seconds(5);
};

// A bound (when options.source is set) socket of type SOCK_STREAM or SOCK_DGRAM.
Result<Fd> open_socket(const Netns& netns, int family, int type, const SocketOptions& options);
Endpoint local_endpoint(const Fd& socket);
Endpoint peer_endpoint(const Fd& socket);

class TcpClient {
  public:
    static Result<TcpClient> connect(const Netns& netns, const Endpoint& server,
                                     const SocketOptions& options = {});

    Result<std::size_t> send(std::string_view data);
    Result<std::string> receive(std::size_t size); // exactly; fewer: the peer closed
    // Sends a message of at most a socket buffer's size, receives as much as was sent.
    Result<std::string> echo(std::string_view message);
    void reset(); // closes with an RST

    [[nodiscard]] const Fd& socket() const { return socket_; }
    [[nodiscard]] Endpoint local() const { return local_endpoint(socket_); }
    [[nodiscard]] Endpoint peer() const { return peer_endpoint(socket_); }

  private:
    explicit TcpClient(Fd socket) : socket_(std::move(socket)) {}
    Fd socket_;
};

struct Datagram {
    std::string data;
    Endpoint from;
};

class UdpClient {
  public:
    static Result<UdpClient> open(const Netns& netns, bool ipv6, const SocketOptions& options = {});
    // A connected one takes datagrams from that server only, and learns of ICMP errors.
    static Result<UdpClient> connect(const Netns& netns, const Endpoint& server,
                                     const SocketOptions& options = {});

    Result<std::size_t> send(std::string_view data); // connected
    Result<std::size_t> send_to(const Endpoint& server, std::string_view data);
    Result<Datagram> receive();
    Result<Datagram> echo(std::string_view message); // connected

    [[nodiscard]] const Fd& socket() const { return socket_; }
    [[nodiscard]] Endpoint local() const { return local_endpoint(socket_); }

  private:
    explicit UdpClient(Fd socket) : socket_(std::move(socket)) {}
    Fd socket_;
};

} // namespace bpfport::test
