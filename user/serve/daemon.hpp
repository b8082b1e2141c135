// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Daemon: keeps the kernel equal to the policy files. What changes (interfaces, addresses, namespaces, cgroups, files,
// what other commands do) is gathered for a moment, then one round of work follows. Between rounds it waits in
// poll(), without a time limit but for the watchdog's. The kernel's state doesn't depend on it.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "serve/cgroup_watch.hpp"
#include "serve/log.hpp"
#include "serve/netns_watch.hpp"
#include "serve/notify.hpp"
#include "serve/path_watch.hpp"
#include "serve/policy_source.hpp"
#include "serve/report.hpp"
#include "serve/round.hpp"
#include "state/store_lock.hpp"

namespace bpfport {

// What a round is about.
struct RoundTask {
    const HostPolicy* policy = nullptr;
    const PolicySource* source = nullptr; // where that was read
    decltype(ServeReport::owned) owned;
    std::set<std::string> netns; // that the policy names, or that it named before
};

class Daemon {
  public:
    using Work = std::function<ServeReport(const RoundTask&)>; // in a process of its own

    // `root`: the state directory.
    static Result<Daemon> open(PolicySource source, std::filesystem::path root, std::ostream& err,
                               Work work);
    // Until SIGTERM or SIGINT.
    Result<void> run();

  private:
    using Clock = std::chrono::steady_clock;
    using Time = std::optional<Clock::time_point>;

    Daemon(PolicySource source, std::filesystem::path root, std::ostream& err, Work work,
           NetnsWatch netns, CgroupWatch cgroups, PathWatch files, PathWatch state)
        : source_(std::move(source)), root_(std::move(root)), log_(err), work_(std::move(work)),
          netns_(std::move(netns)), cgroups_(std::move(cgroups)), files_(std::move(files)),
          state_(std::move(state)) {}

    void wait();
    void take_signals();
    void take_events();
    void reload();
    void wake();
    void keep_time();
    void start_round();
    void finish_round(const Result<ServeReport>& result);
    void say(const ServeReport& report);
    [[nodiscard]] Stamp stamp() const;

    PolicySource source_;
    std::filesystem::path root_;
    ServeLog log_;
    Notify notify_;
    Work work_;
    NetnsWatch netns_;
    CgroupWatch cgroups_;
    PathWatch files_, state_;
    Fd signals_;
    bool ending_ = false, is_ready_ = false, is_told_later_ = false;

    std::optional<Round> round_;
    RoundTask task_; // of the round that is at work, or was
    std::set<std::string> former_netns_;
    Stamp stamp_; // what the last round left
    Clock::time_point began_{}, ended_{};
    Time due_, again_, look_, alive_; // a round, another one, for containers, the watchdog
    std::chrono::milliseconds pause_{};
    unsigned tries_ = 0; // since the last event
};

} // namespace bpfport
