// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Programs run by tests: to completion with a time limit, or in the background until scope end.
// Each leads a process group of its own, which is ended by its number; it dies with the test too.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"

namespace bpfport::test {

class Netns;
class Cgroup;

struct ProcessOptions {
    const Netns* netns = nullptr;
    const Cgroup* cgroup = nullptr;
    std::optional<uid_t> uid{}; // 65534: nobody; the group id is the same
    std::string input{};        // standard input, whole
    std::string directory{};
    std::chrono::milliseconds timeout = std::chrono::seconds(30); // of run() and of wait()
};

struct ProcessResult {
    int status = 0; // exit status; 128 + signal; 127 when it could not be started
    bool timed_out = false;
    std::string out;
    std::string err;
};

class Process {
  public:
    // Throws std::runtime_error when it can't be forked.
    explicit Process(const std::vector<std::string>& argv, const ProcessOptions& options = {});
    Process(Process&& other) noexcept;
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    Process& operator=(Process&&) = delete;
    ~Process();

    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] bool running();
    void signal(int number) const;
    // Waits for the end; past the timeout the group is killed and timed_out is set.
    ProcessResult wait();
    // Asks (SIGTERM), waits a second, then kills; what it had printed is in the result.
    ProcessResult stop();

  private:
    bool reap(std::chrono::milliseconds patience);

    pid_t pid_ = -1;
    std::optional<int> status_{};
    std::chrono::milliseconds timeout_{};
    Fd out_; // unnamed files: a program can print any amount and never waits for a reader
    Fd err_;
};

ProcessResult run(const std::vector<std::string>& argv, const ProcessOptions& options = {});

// True once a socket of the namespace listens on (or, UDP, is bound to) the port.
bool wait_for_port(const Netns& netns, std::uint16_t port, bool udp = false,
                   std::chrono::milliseconds patience = std::chrono::seconds(10));

// Whether PATH has the program.
bool have_program(const std::string& name);

} // namespace bpfport::test
