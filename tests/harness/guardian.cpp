// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/guardian.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>

#include "base/error.hpp"
#include "harness/sweep.hpp"

namespace bpfport::test {
namespace {

// After the fork of a process with threads: async-signal-safe calls only.
[[noreturn]] void guard(int alive, const char* path) {
    ::setsid();
    char byte = 0;
    while (::read(alive, &byte, 1) < 0 && errno == EINTR) {
    }
    ::execl("/bin/rm", "rm", "-rf", path, nullptr);
    ::_exit(127);
}

} // namespace

Guardian::Guardian() {
    const char* path = state_root().c_str();
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe: " + error_text(errno));
    const Fd reader(ends[0]);
    alive_ = Fd(ends[1]);
    guardian_ = ::fork();
    if (guardian_ < 0) throw std::runtime_error("fork: " + error_text(errno));
    if (guardian_ == 0) {
        ::close(alive_.get());
        guard(reader.get(), path);
    }
}

Guardian::~Guardian() {
    ::kill(guardian_, SIGKILL);
    ::waitpid(guardian_, nullptr, 0);
}

} // namespace bpfport::test
