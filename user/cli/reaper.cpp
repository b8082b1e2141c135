// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli/reaper.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <sstream>

#include "cli/session.hpp"
#include "kernel/cgroup.hpp"

namespace bpfport {

namespace fs = std::filesystem;

namespace {

std::string read_to_end(int fd) {
    std::string text;
    char buffer[4096];
    for (;;) {
        ssize_t size = read(fd, buffer, sizeof(buffer));
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return text;
        text.append(buffer, static_cast<std::size_t>(size));
    }
}

// The kernel wakes a poll of cgroup.events when `populated` changes. A change within 10 ms of the one
// before is told later (CGROUP_FILE_NOTIFY_MIN_INTV), and never if another command removes the cgroup
// before that. So for a program that ends at once the cgroup is looked at soon; the other time limit is
// for the case that it changed just before.
void wait_until_empty(const fs::path& cgroup) {
    using Clock = std::chrono::steady_clock;
    constexpr std::chrono::seconds kBeginning{1};
    constexpr int kLookSoon = 100, kLookAnyway = 30'000;
    const auto beginning = Clock::now() + kBeginning;
    Fd events(open((cgroup / "cgroup.events").c_str(), O_RDONLY | O_CLOEXEC));
    while (is_populated(cgroup)) {
        pollfd wait{events.get(), POLLPRI, 0};
        if (events) {
            char buffer[256];
            (void)!pread(events.get(), buffer, sizeof(buffer), 0); // poll tells what is newer
            if (!is_populated(cgroup)) return;
        }
        poll(&wait, 1, Clock::now() < beginning ? kLookSoon : kLookAnyway);
    }
}

// A unit that is stopped, a terminal that closes, Ctrl-C: those end the program, and the reaper outlives
// it. Done before the reaper is forked, so that it holds from its first moment, and by the time the caller
// goes on: the signals are inherited, and so is the session, which no signal to the caller's group reaches.
void leave_the_callers_group() {
    setsid();
    for (int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE}) signal(number, SIG_IGN);
}

void detach_from_caller(int pipe) {
    (void)!chdir("/");
    prctl(PR_SET_NAME, "bpfport-reaper");
    int null = open("/dev/null", O_RDWR);
    for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        null < 0 ? close(fd) : dup2(null, fd);
    dup2(pipe, 3);
    syscall(SYS_close_range, 4U, ~0U, 0U); // others may wait for what the caller had open
}

[[noreturn]] void reap(const fs::path& root, int pipe) {
    detach_from_caller(pipe);
    fs::path cgroup = read_to_end(3);
    if (cgroup.empty()) _exit(0);
    wait_until_empty(cgroup);
    std::stringstream nowhere;
    Session session{nowhere, nowhere, nowhere, {}, root};
    for (int tries = 0; tries < 3; tries++) {
        auto change = begin_change(session); // sweeps, which is all there is to do
        if (!change) continue;
        (void)remove_cgroup(cgroup); // of a command that died before it had a policy
        break;
    }
    _exit(0);
}

} // namespace

Result<Reaper> Reaper::start(const fs::path& root) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return system_error("make a pipe");
    Fd reader(ends[0]), writer(ends[1]);
    pid_t between = fork();
    if (between < 0) return system_error("fork the reaper");
    if (between == 0) {
        writer = Fd();
        leave_the_callers_group();
        pid_t reaper = fork();
        if (reaper == 0) reap(root, reader.get());
        _exit(reaper < 0 ? 1 : 0); // so the reaper is nobody's child that the program might meet
    }
    int status = 0;
    while (waitpid(between, &status, 0) < 0 && errno == EINTR) {
    }
    if (status != 0) return failure("could not fork the reaper");
    return Reaper(std::move(writer));
}

Result<void> Reaper::watch(const fs::path& cgroup) const {
    const auto& text = cgroup.native();
    if (write(pipe_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return system_error("tell the reaper");
    return {};
}

} // namespace bpfport
