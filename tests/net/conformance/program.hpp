// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The program on the target port: one thread that does what the lines of a message say, and keeps
// what it saw. Over TCP and UDP, a line is
//
//   echo TEXT    answered by itself
//   send N       answered by N bytes
//   close TEXT   TCP: answered by itself, then the connection is closed
//   reset        TCP: the connection is reset
//   late         TCP: answered with "bye" once the client has shut down its side
//   shut         TCP: answered with "done" and the end of our side; goes on reading
//   fence        UDP: answered by itself, once all that came before it is done
//
// Datagrams are answered from the address they were sent to.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.hpp"
#include "harness/address.hpp"
#include "harness/netns.hpp"

namespace bpfport::test {

inline constexpr auto kFence = "fence\n";

// What became of a connection, or a datagram: "read 'echo hello', end".
struct ProgramLine {
    Endpoint peer;
    Endpoint local; // getsockname; of a datagram, the address it was sent to
    bool datagram = false;
    std::string text;
};

class Program {
  public:
    // On all addresses of both families. Throws std::runtime_error when the port can't be had.
    Program(const Netns& netns, std::uint16_t port);
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;
    ~Program();

    // Waits, at most three seconds, until so many connections were accepted in all.
    [[nodiscard]] bool has_accepted(std::size_t count) const;
    [[nodiscard]] std::size_t accepted() const;
    // What it saw since the last time. Connections that are open are closed: "still open".
    std::vector<ProgramLine> take();

  private:
    struct Connection {
        Fd socket;
        Endpoint local;
        Endpoint peer;
        std::string read;
        std::size_t done = 0; // of what was read
        bool late = false;
    };

    void serve();
    // One look at the listener and the connections. False when nothing was there.
    bool tend(int timeout_ms, bool datagrams);
    void accept_one();
    bool read_from(Connection& connection); // false: it is over
    bool obey(Connection& connection, const std::string& line);
    void over(const Connection& connection, const std::string& how);
    void take_datagram();

    Fd listener_;
    Fd datagrams_;
    Fd wake_; // readable: stop
    mutable std::mutex mutex_;
    std::map<int, Connection> connections_;
    std::vector<ProgramLine> lines_;
    std::size_t accepted_ = 0;
    bool stopped_ = false;
    std::thread thread_;
};

} // namespace bpfport::test
