// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Control groups, version 2: where the hierarchy is mounted, and the cgroup behind a path or a
// process. The mount is looked for, never assumed: on hosts that have version 1 as well it lies in
// a folder such as /sys/fs/cgroup/unified.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace bpfport {

struct CgroupRef {
    std::uint64_t id = 0;            // what programs and links call it; its directory's inode
    std::string path;                // below the mount: /web.slice, / for the root
    std::filesystem::path directory; // to open it by
    std::uint64_t root = 0;          // the cgroup that the mount shows as /

    [[nodiscard]] unsigned level() const; // 0: the root of the mount
};

Result<std::filesystem::path> cgroup_mount();
// Of a directory; 0: there is none.
std::uint64_t cgroup_id(const std::filesystem::path& directory);

// A path below the mount, or the directory itself from the root directory on.
Result<CgroupRef> open_cgroup(std::string_view path);
Result<CgroupRef> cgroup_of_process(pid_t pid);
Result<CgroupRef> root_cgroup();

// For bpf(2) and for reading cgroup.events.
Result<Fd> open_directory(const CgroupRef& cgroup);
Result<Fd> open_root_cgroup();

// Whether a process lives in it or below; false as well when it is gone.
bool is_populated(const std::filesystem::path& directory);

// Its own processes and those of all cgroups below.
std::vector<pid_t> processes_in(const std::filesystem::path& directory);

// With all below it. Nothing happens while a process lives there.
Result<void> remove_cgroup(const std::filesystem::path& directory);

// The parsers. /proc/self/mountinfo -> the mount point; of several, the one that shows most.
std::optional<std::string> parse_cgroup_mount(std::string_view mountinfo);
// /proc/PID/cgroup -> the path behind "0::".
std::optional<std::string> parse_process_cgroup(std::string_view text);

} // namespace bpfport
