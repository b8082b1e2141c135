// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/cgroup_lookup.hpp"

#include <pwd.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/directory.hpp"
#include "kernel/container_note.hpp"

namespace bpfport {

namespace fs = std::filesystem;

namespace {

constexpr const char* kByPath = "name it by cgroup:PATH or pid:N if it is the one that is meant";

// One folder, and the file that lets processes in.
bool is_owned(const fs::path& directory, uid_t owner) {
    constexpr mode_t kOthersWrite = S_IWGRP | S_IWOTH;
    auto owned = [&](const fs::path& path, bool if_there) {
        struct stat status {};
        if (::lstat(path.c_str(), &status) != 0) return if_there;
        return status.st_uid == owner && !(status.st_mode & kOthersWrite);
    };
    return owned(directory, false) && owned(directory / "cgroup.procs", true) &&
           owned(directory / "cgroup.threads", true);
}

// Calls visit(path below `cgroups`, name) for every cgroup that is the system's from there on,
// parents first; a branch ends where it returns false.
template <typename Visit> void walk_systems(const fs::path& cgroups, Visit visit) {
    struct stat root {};
    if (::stat(cgroups.c_str(), &root) != 0) return;
    walk_directories(cgroups, [&](const fs::path& path) {
        return is_owned(path, root.st_uid) &&
               visit(path.native().substr(cgroups.native().size()), path.filename().native());
    });
}

// "docker-4f1c.scope" -> "4f1c"
std::string_view container_id(std::string_view name) {
    constexpr std::string_view kScope = ".scope";
    constexpr std::array<std::string_view, 7> kPrefixes{
        "docker-", "libpod-", "cri-containerd-", "crio-", "crun-", "nerdctl-", "podman-"};
    if (name.ends_with(kScope)) name.remove_suffix(kScope.size());
    for (auto prefix : kPrefixes)
        if (name.starts_with(prefix)) return name.substr(prefix.size());
    return name;
}

bool is_whole_id(std::string_view id) {
    constexpr std::size_t kDigits = 64;
    return id.size() == kDigits && id.find_first_not_of("0123456789abcdef") == id.npos;
}

Result<CgroupRef> only(const std::vector<std::string>& paths, const Scope& scope) {
    if (paths.size() == 1) return open_cgroup(paths.front());
    return failure(fmt::format("{} may be any of {}", scope.to_string(), fmt::join(paths, ", ")),
                   "name it by cgroup:PATH");
}

Result<CgroupRef> find_unit(const fs::path& mount, const Scope& scope) {
    auto paths = unit_cgroups(mount, scope.name());
    if (paths.empty())
        return failure(fmt::format("unit {} has no cgroup: it is not running, or is a user "
                                   "manager's",
                                   scope.name()),
                       "start it first; or use its slice, which is there before it");
    return only(paths, scope);
}

// All that the user runs, whichever session or service of its manager it is in.
Result<CgroupRef> find_user(const fs::path& mount, const Scope& scope) {
    uid_t uid = 0;
    const std::string& name = scope.name();
    auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), uid);
    if (error != std::errc{} || end != name.data() + name.size()) {
        const passwd* user = getpwnam(name.c_str());
        if (!user)
            return usage_error(fmt::format("no user {:?}", name), "getent passwd lists them");
        uid = user->pw_uid;
    }
    auto paths = unit_cgroups(mount, fmt::format("user-{}.slice", uid));
    if (paths.empty())
        return failure(
            fmt::format("user {} runs nothing: there is no cgroup user-{}.slice", name, uid),
            fmt::format("loginctl enable-linger {} makes it, and keeps it", name));
    return only(paths, scope);
}

// A note's words are checked as a user's are: it may be of a container that has ended.
Result<CgroupRef> of_container(const fs::path& mount, Result<CgroupRef> cgroup,
                               const Scope& scope) {
    if (!cgroup) return cgroup;
    if (cgroup->path == "/")
        return failure(fmt::format("{} has no cgroup of its own", scope.to_string()),
                       "run it with a cgroup: the policy would hold for the whole machine");
    if (!is_systems(mount, cgroup->path))
        return failure(fmt::format("{} is in cgroup {}, which another user than root owns",
                                   scope.to_string(), cgroup->path),
                       kByPath);
    return cgroup;
}

Result<CgroupRef> find_container(const fs::path& mount, const Scope& scope) {
    if (auto paths = container_cgroups(mount, scope.name()); !paths.empty())
        return only(paths, scope);
    if (auto note = container_note("/", scope.name())) {
        if (!note->cgroup.empty()) {
            auto named = parse_scope("cgroup:" + note->cgroup); // refuses ".."
            if (!named) return context(scope.to_string(), named.error());
            if (auto cgroup = open_cgroup(named->name()))
                return of_container(mount, std::move(cgroup), scope);
        }
        if (note->pid > 0) return of_container(mount, cgroup_of_process(note->pid), scope);
        if (auto by_id = container_cgroups(mount, note->id); !by_id.empty())
            return only(by_id, scope);
    }
    return failure(
        fmt::format("no running container {} of root's", scope.name()),
        "give its name or id as docker ps or podman ps shows it; a rootless one is named "
        "by pid:N of a process in it, or by cgroup:PATH");
}

// Not the root, which would be every process's.
Result<CgroupRef> find_process_cgroup(pid_t pid) {
    auto cgroup = cgroup_of_process(pid);
    if (!cgroup || cgroup->path != "/") return cgroup;
    return failure(fmt::format("process {} is in the root cgroup, as every process may be", pid),
                   "start it with bpfport run; or say cgroup:/ if all processes are meant");
}

} // namespace

std::optional<std::string> path_of_cgroup(std::uint64_t id) {
    auto mount = cgroup_mount();
    if (!mount) return std::nullopt;
    std::optional<std::string> found;
    walk_directories(*mount, [&](const fs::path& path) {
        if (!found && cgroup_id(path) == id) found = path.native().substr(mount->native().size());
        return !found;
    });
    return found;
}

bool is_removed(const CgroupRef& cgroup) {
    constexpr std::uint64_t kHierarchyRoot = 1;
    if (cgroup_id(cgroup.directory) == cgroup.id) return false;
    auto mount = cgroup_mount();
    const auto root = mount ? cgroup_id(*mount) : 0;
    if (root == 0) return false;
    if (root == cgroup.root) return true;
    return root == kHierarchyRoot && !path_of_cgroup(cgroup.id);
}

bool is_systems(const fs::path& cgroups, std::string_view path) {
    struct stat root {};
    if (::stat(cgroups.c_str(), &root) != 0) return false;
    auto directory = cgroups;
    for (const auto& part : fs::path(path).relative_path()) {
        directory /= part;
        if (part == ".." || !is_owned(directory, root.st_uid)) return false;
    }
    return true;
}

std::vector<std::string> unit_cgroups(const fs::path& cgroups, std::string_view unit) {
    std::vector<std::string> found;
    walk_systems(cgroups, [&](std::string path, const std::string& name) {
        // systemd puts '_' before names that could be taken for a file of the kernel.
        if (name != unit && name != fmt::format("_{}", unit)) return name.ends_with(".slice");
        found.push_back(std::move(path));
        return false;
    });
    return found;
}

std::vector<std::string> container_cgroups(const fs::path& cgroups, std::string_view id) {
    std::vector<std::string> found;
    if (!is_whole_id(id)) return found;
    walk_systems(cgroups, [&](std::string path, const std::string& name) {
        auto known = container_id(name);
        if (known == id) found.push_back(std::move(path));
        return !is_whole_id(known) && !name.ends_with(".scope") && !name.ends_with(".service");
    });
    return found;
}

Result<CgroupRef> find_cgroup(const Scope& scope) {
    auto mount = cgroup_mount();
    if (!mount) return std::unexpected(mount.error());
    switch (scope.kind()) {
    case Scope::Kind::kPid:
        return find_process_cgroup(scope.pid());
    case Scope::Kind::kUnit:
        return find_unit(*mount, scope);
    case Scope::Kind::kContainer:
        return find_container(*mount, scope);
    case Scope::Kind::kUser:
        return find_user(*mount, scope);
    case Scope::Kind::kCgroup:
        return open_cgroup(scope.name());
    case Scope::Kind::kInterface:
    case Scope::Kind::kPattern:
    case Scope::Kind::kAny:
        break;
    }
    return usage_error(fmt::format("{} is not a cgroup", scope.to_string()),
                       "a cgroup is named by cgroup:PATH, unit:NAME, container:ID, "
                       "user:NAME or pid:N");
}

} // namespace bpfport
