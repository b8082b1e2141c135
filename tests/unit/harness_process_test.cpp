// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The harness: processes, namespaces and cgroups, and that what a killed test leaves is gone with the
// next.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>

#include "harness/bpfport.hpp"
#include "harness/cgroup.hpp"
#include "harness/netns.hpp"
#include "harness/process.hpp"
#include "harness/sweep.hpp"
#include "unit/harness_fixture.hpp"

namespace bpfport::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;

TEST(ProcessTest, StatusAndOutput) {
    const auto result = run({"sh", "-c", "cat; echo err >&2; exit 3"}, {.input = "in"});
    EXPECT_EQ(result.status, 3);
    EXPECT_EQ(result.out, "in");
    EXPECT_EQ(result.err, "err\n");
    EXPECT_EQ(run({"/nonexistent"}).status, 127);
}

TEST(ProcessTest, TimeLimitEndsTheWholeGroup) {
    const auto result = run({"sh", "-c", "sleep 60 & echo $!; wait"}, {.timeout = 2s});
    EXPECT_TRUE(result.timed_out);
    const pid_t child = std::stoi(result.out);
    for (int tries = 0; tries < 100 && ::kill(child, 0) == 0; ++tries) {
        std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
        std::string line;
        std::getline(stat, line);
        if (line.find(") Z") != std::string::npos) break; // ended; its new parent has yet to see it
        ASSERT_LT(tries, 99);
        ::usleep(10000);
    }
}

TEST(ProcessTest, ScopeEndStopsIt) {
    pid_t pid = 0;
    {
        const Process sleeper({"sleep", "60"});
        pid = sleeper.pid();
        EXPECT_EQ(::kill(pid, 0), 0);
    }
    EXPECT_EQ(::kill(pid, 0), -1);
}

TEST_F(Harness, ProcessEntersNamespaceCgroupAndUser) {
    const Netns netns;
    const Cgroup cgroup;
    const auto result =
        run({"sh", "-c", "id -u; readlink /proc/self/ns/net; cat /proc/self/cgroup"},
            {.netns = &netns, .cgroup = &cgroup, .uid = kNobody});
    EXPECT_THAT(result.out, HasSubstr("65534\n"));
    EXPECT_THAT(result.out, HasSubstr(std::to_string(netns.inode())));
    EXPECT_THAT(result.out, HasSubstr("0::" + cgroup.name() + "\n"));
}

TEST_F(Harness, NetnsIsVisibleToIpAndGoesAway) {
    std::string name;
    {
        const Netns netns;
        name = netns.name();
        EXPECT_THAT(netns.ip("link show lo"), HasSubstr("UP"));
        const auto outside = fs::read_symlink("/proc/thread-self/ns/net");
        EXPECT_NE(netns.run([] { return fs::read_symlink("/proc/thread-self/ns/net"); }), outside);
        EXPECT_EQ(fs::read_symlink("/proc/thread-self/ns/net"), outside);
        EXPECT_THROW(netns.run([]() -> int { throw std::runtime_error("x"); }), std::runtime_error);
        EXPECT_EQ(fs::read_symlink("/proc/thread-self/ns/net"), outside);
        EXPECT_THROW(netns.ip("link set nosuch up"), std::runtime_error);
    }
    EXPECT_FALSE(fs::exists(fs::path(kNetnsDirectory) / name));
}

// A test process is killed while it has a namespace and a cgroup, each with a daemon in it that has
// left the group and session of its starter.
TEST_F(Harness, WhatAKilledTestLeavesIsSwept) {
    require_bpffs();
    // The processes below run what they are told by name, whichever part of the tests this one belongs to.
    for (const char* part : {"GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX"}) ::unsetenv(part);
    const Netns living; // must survive the sweep
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    const pid_t victim = ::fork();
    ASSERT_GE(victim, 0);
    if (victim == 0) {
        // A process of its own needs a lock of its own: start over by executing this test again.
        ::setenv("BPT_VICTIM", std::to_string(pipe[1]).c_str(), 1);
        ::execl("/proc/self/exe", "t", "--gtest_also_run_disabled_tests",
                "--gtest_filter=Harness.DISABLED_Victim", nullptr);
        ::_exit(127);
    }
    ::close(pipe[1]);
    std::string told(200, '\0');
    const ssize_t size = ::read(pipe[0], told.data(), told.size());
    ::close(pipe[0]);
    std::istringstream words(told);
    std::string netns;
    std::string cgroup;
    std::string root;
    std::array<pid_t, 2> daemons{};
    words >> netns >> cgroup >> root >> daemons[0] >> daemons[1];
    struct stat namespace_file {};
    EXPECT_EQ(::stat((fs::path(kNetnsDirectory) / netns).c_str(), &namespace_file), 0);
    // Another test that ends a namespace spares what this one has started, as long as it lives.
    kill_processes_in_netns(namespace_file.st_ino);
    ::usleep(50000);
    EXPECT_EQ(::kill(daemons[0], 0), 0);
    ::kill(victim, SIGKILL);
    ::waitpid(victim, nullptr, 0);
    ASSERT_GT(size, 0);
    ASSERT_TRUE(fs::exists(root)) << told;
    ASSERT_TRUE(fs::exists(fs::path(kNetnsDirectory) / netns)) << told;
    for (const pid_t daemon : daemons) ASSERT_EQ(::kill(daemon, 0), 0);

    // By the first thing that the next test process does.
    const auto next = run({fs::read_symlink("/proc/self/exe"),
                           "--gtest_filter=Harness.NetnsIsVisibleToIpAndGoesAway"});
    EXPECT_EQ(next.status, 0) << next.out << next.err;
    EXPECT_FALSE(fs::exists(fs::path(kNetnsDirectory) / netns));
    EXPECT_FALSE(fs::exists(cgroup));
    EXPECT_FALSE(fs::exists(root));
    EXPECT_TRUE(fs::exists(fs::path(kNetnsDirectory) / living.name()));
    for (const pid_t daemon : daemons) {
        // Its parent is the first process of the machine, which may be slow to reap it.
        for (int tries = 0; tries < 1000 && ::kill(daemon, 0) == 0; ++tries) ::usleep(10000);
        EXPECT_EQ(::kill(daemon, 0), -1);
    }
}

TEST_F(Harness, DISABLED_Victim) {
    const char* pipe = std::getenv("BPT_VICTIM");
    if (pipe == nullptr) GTEST_SKIP() << "only run by WhatAKilledTestLeavesIsSwept";
    const Netns netns;
    const Cgroup cgroup;
    // The nap lets it leave the group before the group is ended.
    const std::vector<std::string> daemon = {"sh", "-c",
                                             "setsid sh -c 'echo $$; exec sleep 300' & sleep 0.3"};
    fs::create_directories(state_root() + "/netns-1");
    const std::string text = netns.name() + " " + cgroup.path() + " " + state_root() + " " +
                             run(daemon, {.netns = &netns}).out +
                             run(daemon, {.cgroup = &cgroup}).out;
    ASSERT_GT(::write(std::stoi(pipe), text.data(), text.size()), 0);
    ::pause();
}

} // namespace
} // namespace bpfport::test
