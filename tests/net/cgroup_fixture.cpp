// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "net/cgroup_fixture.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

namespace bpfport::test {

void CgroupTest::SetUp() {
    NetTest::SetUp();
    if (IsSkipped()) return;
    if (cgroup_root().empty()) GTEST_SKIP() << "no cgroup version 2 is mounted";
    guardian = std::make_unique<Guardian>();
    netns = std::make_unique<Netns>();
    cgroup = std::make_unique<Cgroup>();
}

void CgroupTest::TearDown() {
    if (!guardian) return;
    const auto detached = bpfport({"detach", "--all"});
    EXPECT_EQ(detached.status, 0) << detached.err;
    EXPECT_TRUE(expect_kernel_empty({*netns}, {*cgroup}));
    cgroup.reset();
    netns.reset();
    std::error_code ignored;
    std::filesystem::remove_all(state_root(), ignored);
    guardian.reset();
}

ProcessResult CgroupTest::bp(std::vector<std::string> arguments,
                             const ProcessOptions& options) const {
    return bpfport(*netns, std::move(arguments), options);
}

void CgroupTest::must(std::vector<std::string> arguments) const {
    auto result = bp(arguments, {.timeout = std::chrono::seconds(90)}); // on emulated machines
    EXPECT_EQ(result.status, 0) << testing::PrintToString(arguments) << "\n" << result.err;
}

std::string CgroupTest::status() const { return bp({"status", "--json"}).out; }

std::string CgroupTest::entries() const {
    std::vector<std::string> names;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(state_root(), ignored))
        names.push_back(entry.path().filename());
    std::ranges::sort(names);
    std::string text;
    for (const auto& name : names) text += (text.empty() ? "" : " ") + name;
    return text;
}

int bind_errno(const Netns& netns, const Bind& bind) {
    constexpr int kNotTried = 255;
    const Fd procs(bind.cgroup == nullptr ? -1
                                          : ::open((bind.cgroup->path() + "/cgroup.procs").c_str(),
                                                   O_WRONLY | O_CLOEXEC));
    const SocketAddress address(bind.at);
    const pid_t child = ::fork();
    if (child == 0) { // of a process with threads: system calls only
        if (procs && ::write(procs.get(), "0", 1) != 1) ::_exit(kNotTried);
        if (::setns(netns.fd(), CLONE_NEWNET) != 0) ::_exit(kNotTried);
        if (bind.uid != 0 && (::setresgid(bind.uid, bind.uid, bind.uid) != 0 ||
                              ::setresuid(bind.uid, bind.uid, bind.uid) != 0))
            ::_exit(kNotTried);
        const int socket = ::socket(bind.at.address.family(), bind.type, bind.protocol);
        if (socket < 0) ::_exit(kNotTried);
        const int one = 1;
        ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        ::_exit(::bind(socket, address.get(), address.size) == 0 ? 0 : errno);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : kNotTried;
}

} // namespace bpfport::test
