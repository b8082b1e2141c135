// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/store_lock.hpp"

#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <chrono>

namespace bpfport {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kPatience = std::chrono::seconds(30);
// Seldom: an interrupted call joins the queue again at its end.
constexpr auto kInterrupts = std::chrono::seconds(10);

// Interrupts what this thread waits for in the kernel, for as long as it lives.
class Interrupter {
  public:
    Interrupter() {
        struct sigaction action {};
        action.sa_handler = [](int) {};
        sigaction(SIGALRM, &action, &action_before_);
        sigset_t alarm;
        sigemptyset(&alarm);
        sigaddset(&alarm, SIGALRM);
        pthread_sigmask(SIG_UNBLOCK, &alarm, &mask_before_);
        sigevent event{};
        event.sigev_notify = SIGEV_THREAD_ID;
        event.sigev_signo = SIGALRM;
        event._sigev_un._tid = static_cast<pid_t>(syscall(SYS_gettid));
        made_ = timer_create(CLOCK_MONOTONIC, &event, &timer_) == 0;
        const timespec every{kInterrupts.count(), 0};
        const itimerspec times{every, every};
        if (made_) made_ = timer_settime(timer_, 0, &times, nullptr) == 0;
    }
    Interrupter(const Interrupter&) = delete;
    Interrupter& operator=(const Interrupter&) = delete;
    ~Interrupter() {
        if (made_) timer_delete(timer_); // a signal that is on its way arrives here at the latest
        pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
        sigaction(SIGALRM, &action_before_, nullptr);
    }
    explicit operator bool() const { return made_; }

  private:
    struct sigaction action_before_ {};
    sigset_t mask_before_{};
    timer_t timer_{};
    bool made_ = false;
};

} // namespace

Result<void> lock_store(const Fd& directory, int how) {
    if (flock(directory.get(), how | LOCK_NB) == 0) return {};
    if (errno != EWOULDBLOCK && errno != EINTR) return system_error("lock");
    const Interrupter interrupter;
    if (!interrupter) return system_error("make a timer");
    auto holder = store_stamp(directory);
    auto since = Clock::now();
    while (flock(directory.get(), how) != 0) {
        if (errno != EINTR) return system_error("lock");
        if (auto now = store_stamp(directory); now != holder) {
            holder = now;
            since = Clock::now();
        } else if (Clock::now() - since >= kPatience) {
            return failure("lock: another bpfport command has held it for 30 s",
                           "see `fuser -v` on the directory for the process");
        }
    }
    return {};
}

void unlock_store(const Fd& directory) { flock(directory.get(), LOCK_UN); }

Stamp store_stamp(const Fd& directory) {
    struct stat status {};
    fstat(directory.get(), &status);
    return {status.st_mtim};
}

// The kernel sets the time too, of its last tick, whenever an entry comes or goes. A command's own is
// finer and never one that was there, which the kernel's may be: hence the second stamp.
Result<void> stamp_store(const Fd& directory) {
    const timespec before = store_stamp(directory).time;
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec < before.tv_sec ||
        (now.tv_sec == before.tv_sec && now.tv_nsec <= before.tv_nsec)) {
        now = before; // the clock was set back
        if (++now.tv_nsec == 1'000'000'000) now = {before.tv_sec + 1, 0};
    }
    const timespec times[] = {{0, UTIME_OMIT}, now};
    if (futimens(directory.get(), times) != 0) return system_error("stamp");
    return {};
}

} // namespace bpfport
