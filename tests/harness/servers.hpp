// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Servers of tests: one thread in a namespace that echoes what it is sent (or answers with a given
// number of bytes or text), and remembers each client, and the own address and port that it came to.
#pragma once

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "harness/sockets.hpp"

namespace bpfport::test {

struct ServerOptions {
    std::size_t reply_bytes = 0; // 0: echo; else so many bytes for each message received
    std::string answer{};        // when set: this, for each message received
    bool closes = false;         // TCP: closes after the first answer
    bool reuse_port = false;
    bool mptcp = false;
    bool v6only = false;
};

// What a server saw of a client: getsockname and getpeername of the accepted socket. UDP: the
// socket's own name, and the sender.
struct Seen {
    Endpoint local;
    Endpoint peer;
    bool operator==(const Seen&) const = default;
};

// The common part: a thread that runs until the server goes out of scope.
class Server {
  public:
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    [[nodiscard]] std::vector<Seen> seen() const;
    [[nodiscard]] std::uint16_t port() const { return local_endpoint(socket_).port; }
    [[nodiscard]] const Fd& socket() const { return socket_; }

  protected:
    Server(const Netns& netns, const Endpoint& at, int type, const ServerOptions& options);
    virtual ~Server();
    void start(void (*loop)(Server&));
    void stop(); // every destructor calls it first: the thread uses the whole object
    void note(Seen seen);
    [[nodiscard]] std::string reply_to(std::string message) const;

    ServerOptions options_;
    Fd socket_;
    Fd wake_; // readable: stop

  private:
    mutable std::mutex mutex_;
    std::vector<Seen> seen_;
    std::thread thread_;
};

// Listens at once; both throw std::runtime_error when the port can't be had.
class TcpServer : public Server {
  public:
    TcpServer(const Netns& netns, const Endpoint& at, const ServerOptions& options = {});
    ~TcpServer() override;

  private:
    void serve();
};

class UdpServer : public Server {
  public:
    UdpServer(const Netns& netns, const Endpoint& at, const ServerOptions& options = {});
    ~UdpServer() override;

  private:
    void serve();
};

} // namespace bpfport::test
