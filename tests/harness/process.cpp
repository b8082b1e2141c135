// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/process.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/error.hpp"
#include "harness/amount.hpp"
#include "harness/cgroup.hpp"
#include "harness/netns.hpp"

namespace bpfport::test {
namespace {

using namespace std::chrono_literals;

Fd memory_file(const std::string& content = {}) {
    Fd file(::memfd_create("bpfport-test", MFD_CLOEXEC));
    if (!file) throw std::runtime_error("memfd_create: " + error_text(errno));
    if (!content.empty() && ::pwrite(file.get(), content.data(), content.size(), 0) !=
                                static_cast<ssize_t>(content.size()))
        throw std::runtime_error("memfd write: " + error_text(errno));
    return file;
}

std::string content(const Fd& file) {
    struct stat status {};
    ::fstat(file.get(), &status);
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    const ssize_t size = ::pread(file.get(), text.data(), text.size(), 0);
    text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return text;
}

// All that the child needs, made before the fork: after it, only async-signal-safe calls are
// allowed, since other threads of the test may have held any lock.
struct Launch {
    std::vector<char*> argv;
    int netns = -1;
    int cgroup_procs = -1;
    int in = -1;
    int out = -1;
    int err = -1;
    const char* directory = nullptr;
    std::optional<uid_t> uid;
    pid_t parent = 0;
};

[[noreturn]] void give_up(const char* what) {
    static_cast<void>(!::write(STDERR_FILENO, what, __builtin_strlen(what)));
    ::_exit(127);
}

[[noreturn]] void become(const Launch& launch) {
    ::setpgid(0, 0);
    // A shell that starts the tests in the background has them ignore these, and all they start.
    for (const int number : {SIGINT, SIGQUIT}) ::signal(number, SIG_DFL);
    ::dup2(launch.in, STDIN_FILENO);
    ::dup2(launch.out, STDOUT_FILENO);
    ::dup2(launch.err, STDERR_FILENO);
    if (launch.cgroup_procs >= 0 && ::write(launch.cgroup_procs, "0", 1) != 1)
        give_up("harness: can't enter the cgroup\n");
    if (launch.netns >= 0 && ::setns(launch.netns, CLONE_NEWNET) != 0)
        give_up("harness: can't enter the network namespace\n");
    if (launch.directory != nullptr && ::chdir(launch.directory) != 0)
        give_up("harness: can't enter the directory\n");
    if (launch.uid && (::setgid(*launch.uid) != 0 || ::setuid(*launch.uid) != 0))
        give_up("harness: can't become the user\n");
    // After setuid, which clears it. A parent that died before is not noticed: hence the check.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != launch.parent) ::_exit(127);
    ::execvp(launch.argv[0], launch.argv.data());
    give_up("harness: can't execute the program\n");
}

int exit_status(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

} // namespace

Process::Process(const std::vector<std::string>& argv, const ProcessOptions& options)
    : timeout_(options.timeout), out_(memory_file()), err_(memory_file()) {
    const Fd in = memory_file(options.input);
    ::lseek(in.get(), 0, SEEK_SET);
    Fd procs;
    if (options.cgroup != nullptr)
        procs =
            Fd(::open((options.cgroup->path() + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    Launch launch{.argv = {},
                  .netns = options.netns == nullptr ? -1 : options.netns->fd(),
                  .cgroup_procs = procs.get(),
                  .in = in.get(),
                  .out = out_.get(),
                  .err = err_.get(),
                  .directory = options.directory.empty() ? nullptr : options.directory.c_str(),
                  .uid = options.uid,
                  .parent = ::getpid()};
    for (const std::string& word : argv) launch.argv.push_back(const_cast<char*>(word.c_str()));
    launch.argv.push_back(nullptr);

    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("fork: " + error_text(errno));
    if (pid_ == 0) become(launch);
    ::setpgid(pid_, pid_); // both sides do it, whichever comes first
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), status_(other.status_), timeout_(other.timeout_),
      out_(std::move(other.out_)), err_(std::move(other.err_)) {}

Process::~Process() {
    if (pid_ > 0) stop();
}

bool Process::reap(std::chrono::milliseconds patience) {
    const auto end = std::chrono::steady_clock::now() + patience;
    for (auto nap = 200us; !status_; nap = std::min<std::chrono::microseconds>(nap * 2, 20ms)) {
        // The group's other members end with it: their number must not be used once it is free.
        siginfo_t info{};
        if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid == pid_) {
            ::kill(-pid_, SIGKILL);
            int status = 0;
            ::waitpid(pid_, &status, 0);
            status_ = exit_status(status);
            return true;
        }
        if (std::chrono::steady_clock::now() >= end) return false;
        std::this_thread::sleep_for(nap);
    }
    return true;
}

bool Process::running() { return !reap(0ms); }

void Process::signal(int number) const {
    if (!status_) ::kill(pid_, number);
}

ProcessResult Process::wait() {
    const bool ended = reap(in_time(timeout_));
    if (!ended) {
        ::kill(-pid_, SIGKILL);
        reap(10s);
    }
    return {status_.value_or(-1), !ended, content(out_), content(err_)};
}

ProcessResult Process::stop() {
    signal(SIGTERM);
    if (!reap(1s)) {
        ::kill(-pid_, SIGKILL);
        reap(10s);
    }
    return {status_.value_or(-1), false, content(out_), content(err_)};
}

ProcessResult run(const std::vector<std::string>& argv, const ProcessOptions& options) {
    return Process(argv, options).wait();
}

bool wait_for_port(const Netns& netns, std::uint16_t port, bool udp,
                   std::chrono::milliseconds patience) {
    const std::string wanted = fmt::format(":{:04X}", port);
    const auto listens = [&](const char* table) {
        std::ifstream file(fmt::format("/proc/thread-self/net/{}", table));
        for (std::string line; std::getline(file, line);) {
            std::istringstream fields(line);
            std::string slot;
            std::string local;
            std::string remote;
            std::string state;
            fields >> slot >> local >> remote >> state;
            if (local.ends_with(wanted) && state == (udp ? "07" : "0A")) return true;
        }
        return false;
    };
    const auto end = std::chrono::steady_clock::now() + in_time(patience);
    for (;;) {
        if (netns.run(
                [&] { return listens(udp ? "udp" : "tcp") || listens(udp ? "udp6" : "tcp6"); }))
            return true;
        if (std::chrono::steady_clock::now() >= end) return false;
        std::this_thread::sleep_for(10ms);
    }
}

bool have_program(const std::string& name) {
    const char* path = std::getenv("PATH");
    std::istringstream directories(path == nullptr ? "" : path);
    for (std::string directory; std::getline(directories, directory, ':');)
        if (::access((directory + "/" + name).c_str(), X_OK) == 0) return true;
    return false;
}

} // namespace bpfport::test
