// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// `bpfport serve` in a namespace, with a policy file in a directory of its own, and what it tells systemd.
#pragma once

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "harness/sweep.hpp"
#include "harness/time_until.hpp"
#include "net/rules/policy.hpp"

namespace bpfport::test {

// How long rounds took.
class Times {
  public:
    void add(std::chrono::milliseconds time) {
        all_.insert(std::ranges::upper_bound(all_, time), time);
    }
    [[nodiscard]] std::chrono::milliseconds median() const { return all_.at(all_.size() / 2); }
    [[nodiscard]] std::string text() const; // "20 times: median 41 ms, most 91 ms"

  private:
    std::vector<std::chrono::milliseconds> all_{}; // sorted
};

// Where systemd would listen: NOTIFY_SOCKET.
class NotifySocket {
  public:
    NotifySocket();
    NotifySocket(const NotifySocket&) = delete;
    NotifySocket& operator=(const NotifySocket&) = delete;
    ~NotifySocket();
    [[nodiscard]] const std::string& path() const { return path_; }
    // Whether a message with this text has come since clear(), or comes in time.
    bool has(const std::string& text, std::chrono::milliseconds patience = 10s);
    void clear();

  private:
    void receive(); // all that comes, as systemd does: the sender would wait for room
    std::string path_;
    Fd socket_;
    std::mutex mutex_;
    std::vector<std::string> messages_;
    std::jthread thread_;
};

class Served {
  public:
    // Returns once it is ready. `before`: of the command, such as WATCHDOG_USEC=1000000, or a tracer.
    Served(const Netns& netns, const std::string& policy,
           const std::vector<std::string>& before = {});
    ~Served();

    // As an editor writes: a new file under another name, which is renamed.
    void write(const std::string& policy) const;
    void start(const std::vector<std::string>& before = {}); // again
    ProcessResult stop(int signal = SIGTERM);
    void kill(); // with its tracer and the processes that it has started

    [[nodiscard]] Process& process() { return *process_; }
    [[nodiscard]] std::string said() const; // on standard error, since it was started
    // Whether it comes to say that: what is done is in force a moment before it is said.
    [[nodiscard]] testing::AssertionResult says(const std::string& text) const;
    [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
    [[nodiscard]] std::vector<std::string> command() const;
    NotifySocket notify;

  private:
    const Netns& netns_;
    std::filesystem::path directory_;
    std::optional<Process> process_;
};

// How often an interface or a cgroup is made again: as the environment's BPFPORT_SERVE_ROUNDS says.
int rounds(int otherwise);

} // namespace bpfport::test
