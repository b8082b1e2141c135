// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/run_cgroup.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/directory.hpp"
#include "kernel/cgroup.hpp"

namespace bpfport {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kRunPrefix = "bpfport-run-";

// Process ids mean nothing in another PID namespace (of a container that sees the host's cgroups), which is
// therefore named; the host's has this number.
std::string pid_namespace() {
    constexpr const char* kHosts = "pid:[4026531836]"; // PROC_PID_INIT_INO
    std::error_code error;
    const auto link = fs::read_symlink("/proc/self/ns/pid", error).string();
    std::string number;
    std::ranges::copy_if(link, std::back_inserter(number),
                         [](char c) { return c >= '0' && c <= '9'; });
    return link == kHosts ? "" : "-" + number;
}

bool is_abandoned(const fs::path& directory) {
    std::string name = directory.filename();
    const auto ending = pid_namespace();
    if (!name.starts_with(kRunPrefix) || !name.ends_with(ending)) return false;
    name.resize(name.size() - ending.size());
    pid_t pid = 0;
    auto [end, error] =
        std::from_chars(name.data() + kRunPrefix.size(), name.data() + name.size(), pid);
    if (error != std::errc{} || end != name.data() + name.size() || pid <= 0) return false;
    return kill(pid, 0) != 0 && errno == ESRCH && !is_populated(directory);
}

} // namespace

std::string run_cgroup_name(pid_t pid) {
    return fmt::format("{}{}{}", kRunPrefix, pid, pid_namespace());
}

void remove_abandoned_run_cgroups() {
    auto mount = cgroup_mount();
    if (!mount) return;
    std::vector<fs::path> abandoned;
    walk_directories(*mount, [&](const fs::path& directory) {
        if (is_abandoned(directory)) abandoned.push_back(directory);
        return true;
    });
    for (const auto& directory : abandoned)
        (void)remove_cgroup(directory); // not when a process has just joined it
}

} // namespace bpfport
