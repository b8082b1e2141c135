// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/apply_confirm.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <iterator>

#include <fmt/format.h>

#include "engine/cgroup_engine.hpp"
#include "engine/netns_rules.hpp"
#include "kernel/netns.hpp"

namespace bpfport {

namespace fs = std::filesystem;

namespace {

constexpr const char* kWaits = "an apply waits to be confirmed";

// One for each state directory.
fs::path path_of(const Session& session) {
    std::string name = session.root.native();
    std::ranges::replace(name, '/', '-');
    return fs::path("/run") / fmt::format("bpfport-confirm{}", name);
}

sigset_t ending_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    for (int signal : {SIGHUP, SIGINT, SIGTERM}) sigaddset(&signals, signal);
    return signals;
}

// Those before, and of other namespaces those that there are now.
std::vector<Guard> guards_after(const Store& store, const BeforeApply& before) {
    auto ours = [&](const Guard& guard) {
        return std::ranges::find(before.netns, guard.netns_cookie, &BeforeApply::Netns::cookie) !=
               before.netns.end();
    };
    auto after = guards(store);
    std::erase_if(after, ours);
    std::ranges::copy_if(before.guards, std::back_inserter(after), ours);
    return after;
}

// Locked: the process that made it lives, and waits.
bool is_waited_for(const Fd& file) { return ::flock(file.get(), LOCK_EX | LOCK_NB) != 0; }

} // namespace

Result<std::chrono::seconds> parse_duration(const std::string& text) {
    constexpr unsigned kMinute = 60, kMost = 3600;
    const bool minutes = text.ends_with('m');
    const auto digits = text.substr(0, text.find_first_not_of("0123456789"));
    const auto unit = text.substr(digits.size());
    auto number = parse_port_number(digits); // the same decimal digits
    const unsigned seconds = number ? *number * (minutes ? kMinute : 1U) : 0;
    if (!seconds || seconds > kMost || !(unit.empty() || unit == "s" || unit == "m"))
        return usage_error(fmt::format("--confirm {:?} is not a time", text),
                           "write 30s or 5m, an hour at most");
    return std::chrono::seconds(seconds);
}

Result<void> take_back(const Session& session, const BeforeApply& before) {
    auto change = begin_change(session);
    if (!change) return std::unexpected(change.error());
    Store& store = change->store();
    change->add([&store, &before] { return set_guards(store, guards_after(store, before)); }, {});
    for (const auto& netns : before.netns) {
        if (!netns.changed) continue;
        change->add(
            [&store, &netns]() -> Result<void> {
                auto inside = ScopedNetns::enter(*netns.handle);
                if (!inside) return std::unexpected(inside.error());
                auto rules = NetnsRules::open(store);
                if (!rules) return std::unexpected(rules.error());
                return rules->apply(netns.rules);
            },
            {});
    }
    for (const auto& one : before.cgroups)
        change->add(
            [&store, &one]() -> Result<void> {
                auto engine = CgroupEngine::open(store, one.cgroup, one.scope);
                if (!engine) return std::unexpected(engine.error());
                return engine->apply(one.content);
            },
            {});
    return change->commit();
}

Result<ApplyConfirm> ApplyConfirm::begin(const Session& session) {
    if (auto free = refuse_while_waiting(session); !free) return std::unexpected(free.error());
    const auto path = path_of(session);
    ::unlink(path.c_str()); // of one that was killed
    Fd file(::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return system_error(path.native());
    if (is_waited_for(file)) return failure(kWaits);
    // From here on they don't end the process: wait() looks for them.
    const sigset_t signals = ending_signals();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    return ApplyConfirm(path, std::move(file));
}

ApplyConfirm::~ApplyConfirm() {
    struct stat status {};
    if (file_ && ::fstat(file_.get(), &status) == 0 && status.st_nlink > 0) ::unlink(path_.c_str());
}

Result<bool> ApplyConfirm::wait(std::chrono::seconds time) const {
    const sigset_t signals = ending_signals();
    const auto end = std::chrono::steady_clock::now() + time;
    bool confirmed = false, ended = false;
    while (!confirmed && !ended && std::chrono::steady_clock::now() < end) {
        const timespec pause{0, 50'000'000};
        ended = ::sigtimedwait(&signals, nullptr, &pause) > 0;
        struct stat status {};
        if (::fstat(file_.get(), &status) != 0) return system_error(path_.native());
        confirmed = status.st_nlink == 0;
    }
    // Confirmed in this very moment: then there is nothing to remove.
    return confirmed || (::unlink(path_.c_str()) != 0 && errno == ENOENT);
}

Result<void> refuse_while_waiting(const Session& session) {
    const Fd file(::open(path_of(session).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file || !is_waited_for(file)) return {};
    return failure(kWaits, "bpfport confirm keeps what it did; else wait until it takes that back");
}

Result<void> confirm_apply(const Session& session) {
    const auto path = path_of(session);
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file && errno != ENOENT) return system_error(path.native());
    if (!file || !is_waited_for(file))
        return failure("no apply waits to be confirmed",
                       "the time was over, or nothing was applied with --confirm");
    return ::unlink(path.c_str()) == 0 ? Result<void>{} : system_error(path.native());
}

} // namespace bpfport
