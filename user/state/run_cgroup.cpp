// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/run_cgroup.hpp"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "kernel/cgroup.hpp"

namespace bpfport {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPrefix = "bpfport-run-";

bool is_abandoned(const fs::path& directory) {
    std::string name = directory.filename();
    if (!name.starts_with(kPrefix)) return false;
    pid_t pid = 0;
    auto [end, error] =
        std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), pid);
    if (error != std::errc{} || end != name.data() + name.size() || pid <= 0) return false;
    return kill(pid, 0) != 0 && errno == ESRCH && !is_populated(directory);
}

} // namespace

std::string run_cgroup_name(pid_t pid) {
    return fmt::format("{}{}", kPrefix, pid);
}

void remove_abandoned_run_cgroups() {
    auto mount = cgroup_mount();
    if (!mount) return;
    std::vector<fs::path> abandoned;
    std::error_code error;
    for (auto it = fs::recursive_directory_iterator(*mount, error);
         !error && it != fs::recursive_directory_iterator(); it.increment(error))
        if (std::error_code gone; it->is_directory(gone) && is_abandoned(it->path()))
            abandoned.push_back(it->path());
    for (const auto& directory : abandoned)
        (void)remove_cgroup(directory); // of somebody who has just moved in, it stays
}

} // namespace bpfport
