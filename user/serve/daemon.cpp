// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "serve/daemon.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <csignal>

#include <fmt/format.h>

namespace bpfport {

namespace {

using namespace std::chrono_literals;

constexpr auto kGather = 30ms; // what comes together is one round
constexpr auto kRetry = 300ms; // after an error, kTries times
constexpr unsigned kTries = 3;
constexpr auto kLook = 150ms; // for a container whose name is not known yet
constexpr auto kFirstPause =
    1000ms; // between looks at what ends by itself; each is twice the one before
constexpr auto kLongestPause = 60s;
constexpr auto kMostRest = 100ms; // between rounds: events may never end

Result<Fd> open_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (int signal : {SIGHUP, SIGINT, SIGTERM}) sigaddset(&signals, signal);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    Fd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd) return system_error("signalfd");
    return fd;
}

std::vector<LogEntry> entries(LogEntry::Level level, const char* event,
                              const std::vector<Warning>& warnings) {
    std::vector<LogEntry> all;
    for (const auto& [message, hint] : warnings) all.push_back({level, event, message, hint});
    return all;
}

} // namespace

Result<Daemon> Daemon::open(PolicySource source, std::filesystem::path root, std::ostream& err,
                            Work work) {
    auto signals = open_signals();
    auto netns = NetnsWatch::open();
    auto cgroups = CgroupWatch::open();
    auto files = PathWatch::open(PathWatch::What::kFiles);
    auto state = PathWatch::open(PathWatch::What::kTimes);
    if (!signals) return std::unexpected(signals.error());
    if (!netns) return std::unexpected(netns.error());
    if (!cgroups) return std::unexpected(cgroups.error());
    for (const auto* watch : {&files, &state})
        if (!*watch) return std::unexpected(watch->error());
    Daemon daemon(std::move(source), std::move(root), err, std::move(work), std::move(*netns),
                  std::move(*cgroups), std::move(*files), std::move(*state));
    daemon.signals_ = std::move(*signals);
    return daemon;
}

Result<void> Daemon::run() {
    if (notify_.interval()) alive_ = Clock::now();
    state_.follow({root_});
    reload();
    while (!ending_) {
        keep_time();
        wait();
        take_signals();
        take_events();
        if (round_)
            if (auto result = round_->take()) {
                round_.reset();
                finish_round(*result);
            }
    }
    notify_.stopping();
    round_.reset(); // it finishes what it does
    return {};
}

void Daemon::wait() {
    std::vector<pollfd> polled{{signals_.get(), POLLIN, 0},
                               {cgroups_.fd(), POLLIN, 0},
                               {files_.fd(), POLLIN, 0},
                               {state_.fd(), POLLIN, 0}};
    netns_.add_to(polled);
    if (round_) polled.push_back({round_->fd(), POLLIN, 0});
    int timeout = -1;
    for (const auto& time : {round_ ? Time() : due_, round_ ? Time() : again_, look_, alive_}) {
        if (!time) continue;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(*time - Clock::now());
        const int wanted = static_cast<int>(std::max(left, 0ms).count());
        timeout = timeout < 0 ? wanted : std::min(timeout, wanted);
    }
    ::poll(polled.data(), polled.size(), timeout);
}

void Daemon::take_signals() {
    signalfd_siginfo signal{};
    while (::read(signals_.get(), &signal, sizeof signal) == sizeof signal) {
        if (signal.ssi_signo != SIGHUP) {
            ending_ = true;
            continue;
        }
        notify_.reloading();
        is_ready_ = false; // told when the round is over
        reload();
    }
}

void Daemon::take_events() {
    if (files_.take() && source_.has_changed()) reload();
    if (netns_.take()) wake();
    if (cgroups_.take()) wake();
    if (cgroups_.expects() && !look_) look_ = Clock::now() + kLook;
    // A round's own doing is no news; what came before it took the lock, it has seen.
    if (state_.take() && !round_ && !(stamp() == stamp_)) wake();
}

void Daemon::reload() {
    former_netns_.merge(source_.netns());
    source_.load(log_);
    files_.follow(source_.directories());
    netns_.follow(source_.netns());
    cgroups_.follow(source_.cgroups());
    wake();
}

// What is there already does not put it off.
void Daemon::wake() {
    again_.reset();
    pause_ = kFirstPause;
    tries_ = 0;
    if (due_) return;
    const auto rest = std::min<Clock::duration>(ended_ - began_, kMostRest);
    due_ = std::max(Clock::now() + kGather, ended_ + rest);
}

void Daemon::keep_time() {
    const auto now = Clock::now();
    const auto is_over = [&](const Time& time) { return time && now >= *time; };
    if (is_over(alive_)) {
        notify_.alive();
        alive_ = now + *notify_.interval();
    }
    if (is_over(look_)) {
        look_.reset();
        if (cgroups_.expects() && cgroups_.look_again()) wake();
        if (cgroups_.expects()) look_ = now + kLook;
    }
    if (!round_ && (is_over(due_) || is_over(again_))) start_round();
}

void Daemon::start_round() {
    due_.reset();
    again_.reset();
    if (!source_.policy()) return say({});
    task_.policy = &*source_.policy();
    task_.source = &source_;
    task_.netns = source_.netns();
    task_.netns.insert(former_netns_.begin(), former_netns_.end());
    began_ = Clock::now();
    auto started = Round::start([this] { return work_(task_); });
    if (started)
        round_.emplace(std::move(*started));
    else
        finish_round(std::unexpected(started.error()));
}

void Daemon::finish_round(const Result<ServeReport>& result) {
    ended_ = Clock::now();
    stamp_ = stamp();
    if (result && result->outdated) return reload(); // and another round
    ServeReport report;
    if (result)
        report = *result;
    else
        report.faults.push_back({result.error().message, result.error().hint});
    if (result && report.faults.empty()) former_netns_ = source_.netns();
    if (!report.owned.empty() || report.faults.empty()) task_.owned = std::move(report.owned);
    // What failed may have gone meanwhile, as an interface does: the round that follows will tell.
    is_told_later_ = due_ && !report.faults.empty() && !is_told_later_;
    if (is_told_later_) report.faults.clear();
    // An error may pass by itself, as when the kernel takes programs off a cgroup that is removed.
    const bool failed = is_told_later_ || !report.faults.empty();
    tries_ = failed ? tries_ + 1 : 0;
    if (report.again || (failed && tries_ <= kTries)) {
        again_ = ended_ + (report.again ? pause_ : kRetry);
        pause_ = std::min<std::chrono::milliseconds>(2 * pause_, kLongestPause);
    }
    say(report);
}

void Daemon::say(const ServeReport& report) {
    using Level = LogEntry::Level;
    for (const auto& [event, text] : report.done) log_.write({Level::kInfo, event, text});
    std::vector<LogEntry> left;
    for (const auto& text : report.left)
        left.push_back({Level::kNotice, "left", text + ", which no file has"});
    log_.holds("left", left);
    log_.holds("skipped", entries(Level::kNotice, "waiting", report.skipped));
    log_.holds("faults", entries(Level::kError, "error", report.faults));
    log_.holds("warnings", entries(Level::kWarning, "warning", report.warnings));
    auto status = fmt::format("{} in force", report.in_force);
    if (!report.skipped.empty()) status += fmt::format(", {} waiting", report.skipped.size());
    if (!report.left.empty()) status += fmt::format(", {} that no file has", report.left.size());
    if (!report.faults.empty()) status += fmt::format("; {}", report.faults.front().message);
    if (!source_.fault().empty()) status += fmt::format("; policy: {}", source_.fault());
    notify_.status(status);
    if (!std::exchange(is_ready_, true)) notify_.ready();
}

Stamp Daemon::stamp() const {
    const Fd directory(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return directory ? store_stamp(directory) : Stamp{};
}

} // namespace bpfport
