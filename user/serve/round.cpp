// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "serve/round.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <exception>

#include <fmt/format.h>

namespace bpfport {

namespace {

[[noreturn]] void work_in_child(const std::function<ServeReport()>& work, const Fd& pipe) {
    ServeReport report;
    try {
        report = work();
    } catch (const std::exception& error) {
        report.faults.push_back({error.what(), "this is a fault of bpfport itself"});
    }
    const auto text = encode_report(report);
    for (std::size_t at = 0; at < text.size();) {
        const ssize_t put = ::write(pipe.get(), text.data() + at, text.size() - at);
        if (put < 0 && errno != EINTR) break;
        if (put > 0) at += static_cast<std::size_t>(put);
    }
    ::_exit(0);
}

} // namespace

Result<Round> Round::start(const std::function<ServeReport()>& work) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return system_error("make a pipe");
    Fd reader(ends[0]);
    const Fd writer(ends[1]);
    ::fcntl(reader.get(), F_SETFL, O_NONBLOCK);
    const pid_t pid = ::fork();
    if (pid < 0) return system_error("fork");
    if (pid == 0) work_in_child(work, writer);
    return Round(pid, std::move(reader));
}

Round::~Round() {
    { const Fd closed(std::move(pipe_)); } // it need not tell what it did
    (void)wait();
}

int Round::wait() {
    int status = 0;
    if (!pid_) return 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return status;
}

std::optional<Result<ServeReport>> Round::take() {
    char buffer[16384];
    for (;;) {
        const ssize_t got = ::read(pipe_.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::nullopt; // EAGAIN
        if (got == 0) break;
        text_.append(buffer, static_cast<std::size_t>(got));
    }
    const int status = wait();
    if (WIFSIGNALED(status))
        return failure(
            fmt::format("the process that applies was ended by signal {}", WTERMSIG(status)));
    return decode_report(text_);
}

} // namespace bpfport
