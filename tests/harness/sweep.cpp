// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/sweep.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "harness/cgroup.hpp"
#include "harness/netns.hpp"

namespace bpfport::test {
namespace {

namespace fs = std::filesystem;

constexpr auto kLocks = "/run/bpfport-tests";
constexpr auto kBpffs = "/sys/fs/bpf";

std::vector<fs::path> entries(const fs::path& directory) {
    std::error_code ignored;
    std::vector<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(directory, ignored))
        paths.push_back(entry.path());
    return paths;
}

std::optional<unsigned long> inode(const fs::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return {};
    return status.st_ino;
}

// The pid in bpt-<pid>-<n> and bp-test-<pid>.
std::optional<pid_t> owner(const std::string& name) {
    int pid = 0;
    unsigned serial = 0;
    if (std::sscanf(name.c_str(), "bpt-%d-%u", &pid, &serial) == 2 ||
        std::sscanf(name.c_str(), "bp-test-%d", &pid) == 1)
        return pid;
    return {};
}

Fd lock_file(pid_t pid, int flags) {
    const std::string path = fmt::format("{}/{}", kLocks, pid);
    return Fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | flags, 0600));
}

// Every living test holds a lock on the file of its pid; the kernel drops it however it ends.
void hold_own_lock() {
    static Fd lock;
    fs::create_directories(kLocks);
    const fs::path path = fs::path(kLocks) / std::to_string(::getpid());
    struct stat held {};
    do { // a sweeper may have removed the file between open and flock
        lock = lock_file(::getpid(), O_CREAT);
        if (!lock || ::flock(lock.get(), LOCK_EX) != 0 || ::fstat(lock.get(), &held) != 0)
            throw std::runtime_error("lock " + path.string() + ": " + error_text(errno));
    } while (inode(path) != held.st_ino);
}

void remove_tree(const fs::path& path) {
    std::error_code ignored;
    fs::remove_all(path, ignored);
}

bool is_dead(pid_t pid) {
    if (pid == ::getpid()) return false;
    const Fd lock = lock_file(pid, 0);
    return !lock || ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0;
}

std::string own_state_root() { return fmt::format("{}/bp-test-{}", kBpffs, ::getpid()); }

// Pinned state of this test is named by the inode of its namespace or cgroup. It must go before the
// namespace does: inodes are used again at once.
void remove_pins(unsigned long number) {
    const std::string text = std::to_string(number);
    for (const auto& path : entries(own_state_root())) {
        const std::string name = path.filename();
        const auto dash = name.find('-');
        const auto id = dash == std::string::npos ? "" : name.substr(dash + 1);
        if (id == text || id.starts_with(text + "-")) remove_tree(path);
    }
}

void kill_processes_in_cgroup(const std::string& path) {
    if (std::ofstream(path + "/cgroup.kill") << "1" << std::flush) return; // 5.14
    std::ifstream processes(path + "/cgroup.procs");
    for (pid_t pid = 0; processes >> pid;)
        if (pid > 1 && pid != ::getpid()) ::kill(pid, SIGKILL);
}

// What a test starts has this in its environment.
constexpr const char* kOwner = "BPFPORT_TEST_PID";

// Whether a test that lives, other than this one, started the process: `bpfport metrics --all-netns` and the
// exporter visit all namespaces.
bool is_another_tests(const fs::path& process) {
    std::ifstream file(process / "environ");
    const std::string prefix = std::string(kOwner) + "=";
    for (std::string variable; std::getline(file, variable, '\0');)
        if (variable.starts_with(prefix)) {
            const pid_t test = std::atoi(variable.c_str() + prefix.size());
            return test != ::getpid() && !is_dead(test);
        }
    return false;
}

void begin_once() {
    static const bool begun = [] {
        hold_own_lock();
        ::setenv(kOwner, std::to_string(::getpid()).c_str(), 1);
        sweep();
        return true;
    }();
    static_cast<void>(begun);
}

struct StateRoot {
    std::string path = own_state_root();

    StateRoot() { remove_tree(path); } // of a dead test that had our process id
    StateRoot(const StateRoot&) = delete;
    StateRoot& operator=(const StateRoot&) = delete;
    ~StateRoot() { remove_tree(path); }
};

} // namespace

const std::string& state_root() {
    begin_once();
    static const StateRoot root;
    return root.path;
}

std::string unique_name() {
    begin_once();
    static std::atomic<unsigned> serial = 0;
    return fmt::format("bpt-{}-{}", ::getpid(), ++serial);
}

void kill_processes_in_netns(unsigned long number) {
    for (const auto& path : entries("/proc")) {
        const pid_t pid = std::atoi(path.filename().c_str());
        if (pid > 1 && pid != ::getpid() && inode(path / "ns/net") == number &&
            !is_another_tests(path))
            ::kill(pid, SIGKILL);
    }
}

void remove_netns(const std::string& name) {
    const fs::path path = fs::path(kNetnsDirectory) / name;
    if (const auto number = inode(path)) {
        // Never this process's own, whatever the name says.
        if (number == inode("/proc/self/ns/net")) return;
        kill_processes_in_netns(*number);
        remove_pins(*number);
    }
    ::umount2(path.c_str(), MNT_DETACH);
    ::unlink(path.c_str());
}

void remove_cgroup(const std::string& path) {
    kill_processes_in_cgroup(path);
    for (const auto& child : entries(path))
        if (fs::is_directory(child)) remove_cgroup(child);
    if (const auto number = inode(path)) remove_pins(*number);
    for (int tries = 0; tries < 100 && ::rmdir(path.c_str()) != 0 && errno == EBUSY; ++tries)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

void sweep() {
    const auto left_behind = [](const fs::path& path) {
        const auto pid = owner(path.filename());
        return pid && is_dead(*pid);
    };
    // Pins first, as in remove_pins().
    for (const auto& path : entries(kBpffs))
        if (left_behind(path)) remove_tree(path);
    for (const auto& path : entries(kNetnsDirectory))
        if (left_behind(path)) remove_netns(path.filename());
    for (const auto& path : entries(cgroup_root()))
        if (left_behind(path)) remove_cgroup(path);
    // The lock files last: while one of a dead test stands, its pid's objects may.
    for (const auto& path : entries(kLocks)) {
        const pid_t pid = std::atoi(path.filename().c_str());
        if (pid <= 0 || pid == ::getpid()) continue;
        const Fd lock = lock_file(pid, 0);
        if (lock && ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) fs::remove(path);
    }
}

} // namespace bpfport::test
