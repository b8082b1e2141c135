// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/cgroup.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include "base/directory.hpp"
#include "base/file.hpp"
#include "base/text.hpp"

namespace bpfport {

namespace fs = std::filesystem;

namespace {

Result<CgroupRef> at(const fs::path& mount, std::string path) {
    fs::path directory = path == "/" ? mount : fs::path(mount.native() + path);
    struct stat status {};
    if (stat(directory.c_str(), &status) != 0)
        return system_error(fmt::format("cgroup {}", path), errno,
                            fmt::format("cgroups are the folders below {}", mount.native()));
    if (printable(path) != path) // it would be shown as another than it is, in all output
        return failure(fmt::format("cgroup {}: its name has characters that can't be printed",
                                   printable(path)));
    if (!S_ISDIR(status.st_mode)) return failure(fmt::format("cgroup {}: not a folder", path));
    return CgroupRef{status.st_ino, std::move(path), std::move(directory), cgroup_id(mount)};
}

} // namespace

unsigned CgroupRef::level() const {
    return path == "/" ? 0 : static_cast<unsigned>(std::ranges::count(path, '/'));
}

Result<fs::path> cgroup_mount() {
    auto mount = parse_cgroup_mount(read_file("/proc/self/mountinfo"));
    if (!mount)
        return failure("no cgroup version 2 hierarchy is mounted",
                       "mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified (it may coexist with "
                       "version 1)");
    return fs::path(*mount);
}

std::uint64_t cgroup_id(const fs::path& directory) {
    struct stat status {};
    return stat(directory.c_str(), &status) == 0 ? status.st_ino : 0;
}

Result<CgroupRef> open_cgroup(std::string_view path) {
    auto mount = cgroup_mount();
    if (!mount) return std::unexpected(mount.error());
    std::string text(path);
    if (text == mount->native()) return at(*mount, "/");
    if (text.starts_with(mount->native() + "/")) text.erase(0, mount->native().size());
    return at(*mount, std::move(text));
}

Result<CgroupRef> cgroup_of_process(pid_t pid) {
    auto path = parse_process_cgroup(read_file(fmt::format("/proc/{}/cgroup", pid)));
    if (!path) return failure(fmt::format("no process {}", pid));
    auto cgroup = open_cgroup(*path);
    if (!cgroup) return context(fmt::format("process {}", pid), cgroup.error());
    return cgroup;
}

Result<CgroupRef> root_cgroup() { return open_cgroup("/"); }

Result<Fd> open_directory(const CgroupRef& cgroup) {
    Fd fd(open(cgroup.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return system_error(fmt::format("open {}", cgroup.directory.native()));
    return fd;
}

Result<Fd> open_root_cgroup() {
    auto root = root_cgroup();
    return root ? open_directory(*root) : std::unexpected(root.error());
}

bool is_populated(const fs::path& directory) {
    return read_file(directory / "cgroup.events").find("populated 1") != std::string::npos;
}

std::vector<pid_t> processes_in(const fs::path& directory) {
    std::vector<pid_t> pids;
    auto add = [&](const fs::path& folder) {
        std::istringstream list(read_file(folder / "cgroup.procs"));
        for (pid_t pid = 0; list >> pid;) pids.push_back(pid);
    };
    add(directory);
    walk_directories(directory, [&](const fs::path& below) {
        add(below);
        return true;
    });
    return pids;
}

Result<void> remove_cgroup(const fs::path& directory) {
    for (const auto& entry : entries_of(directory)) {
        std::error_code gone;
        if (fs::is_directory(entry, gone))
            if (auto removed = remove_cgroup(entry); !removed) return removed;
    }
    if (rmdir(directory.c_str()) != 0 && errno != ENOENT)
        return system_error(fmt::format("remove cgroup {}", directory.native()));
    return {};
}

std::optional<std::string> parse_cgroup_mount(std::string_view mountinfo) {
    // "40 30 0:37 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw": root, mount point,
    // and behind " - " the type. Spaces in paths are octal, which no cgroup mount needs.
    std::optional<std::string> best;
    std::string best_root;
    std::istringstream lines{std::string(mountinfo)};
    for (std::string line; std::getline(lines, line);) {
        auto dash = line.find(" - ");
        if (dash == line.npos || line.compare(dash + 3, 8, "cgroup2 ") != 0) continue;
        std::istringstream fields(line);
        std::string id, parent, device, root, point;
        fields >> id >> parent >> device >> root >> point;
        if (best && root.size() > best_root.size())
            continue; // of equals the last: it may hide others
        best = point;
        best_root = root;
    }
    return best;
}

std::optional<std::string> parse_process_cgroup(std::string_view text) {
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("0::/")) return line.substr(3);
    return std::nullopt;
}

} // namespace bpfport
