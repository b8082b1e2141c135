// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/cgroup_lookup.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace bpfport {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::json;

// Calls visit(path below `cgroups`, name) for every cgroup, parents first; returning true ends the
// branch there.
template <typename Visit> void walk(const fs::path& cgroups, Visit visit) {
    std::error_code error;
    for (auto it = fs::recursive_directory_iterator(cgroups, error);
         !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
        std::error_code gone;
        if (!it->is_directory(gone)) continue;
        if (visit(it->path().native().substr(cgroups.native().size()),
                  it->path().filename().native()))
            it.disable_recursion_pending();
    }
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

bool is_short_id(std::string_view id) {
    constexpr std::size_t kFewest = 4;
    return id.size() >= kFewest && id.find_first_not_of("0123456789abcdef") == id.npos;
}

Json read_json(const fs::path& path) {
    std::ifstream file(path);
    return Json::parse(file, nullptr, /*allow_exceptions=*/false);
}

// null when there is none.
const Json& field(const Json& json, const char* name) {
    static const Json kNull;
    auto found = json.find(name); // the end for what is no object
    return found == json.end() ? kNull : *found;
}

std::string text_field(const Json& json, const char* name) {
    const Json& value = field(json, name);
    return value.is_string() ? value.get<std::string>() : std::string();
}

pid_t pid_field(const Json& json, const char* name) {
    const Json& value = field(json, name);
    if (!value.is_number_unsigned()) return 0;
    auto pid = value.get<std::uint64_t>();
    return pid <= std::numeric_limits<pid_t>::max() ? static_cast<pid_t>(pid) : 0;
}

std::vector<fs::path> folders(const fs::path& path) {
    std::vector<fs::path> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(path, error))
        found.push_back(entry.path());
    std::ranges::sort(found);
    return found;
}

using Note = std::optional<ContainerNote>;

// crun: /run/crun/NAME/status; a rootless user's below /run/user/UID/crun.
Note crun_note(const fs::path& root, std::string_view name) {
    auto places = folders(root / "run/user");
    for (auto& place : places)
        place /= "crun";
    places.insert(places.begin(), root / "run/crun");
    for (const auto& place : places) {
        auto status = read_json(place / name / "status");
        if (status.is_object())
            return ContainerNote{std::string(name), pid_field(status, "pid"),
                                 text_field(status, "cgroup-path")};
    }
    return std::nullopt;
}

// runc: /run/runc/NAME/state.json, for docker and containerd in folders of theirs.
Note runc_note(const fs::path& root, std::string_view name) {
    for (const char* place : {"run/runc", "run/docker/runtime-runc/moby",
                              "run/containerd/runc/k8s.io", "run/containerd/runc/default"}) {
        auto state = read_json(root / place / name / "state.json");
        if (state.is_object())
            return ContainerNote{std::string(name), pid_field(state, "init_process_pid"), {}};
    }
    return std::nullopt;
}

Note containerd_note(const fs::path& root, std::string_view name) {
    for (const auto& space : folders(root / "run/containerd/io.containerd.runtime.v2.task")) {
        std::ifstream file(space / name / "init.pid");
        if (pid_t pid = 0; file >> pid && pid > 0) return ContainerNote{std::string(name), pid, {}};
    }
    return std::nullopt;
}

Note docker_note(const fs::path& root, std::string_view name) {
    for (const auto& container : folders(root / "var/lib/docker/containers")) {
        auto config = read_json(container / "config.v2.json");
        if (text_field(config, "Name") != fmt::format("/{}", name)) continue;
        return ContainerNote{container.filename(),
                             pid_field(field(config, "State"), "Pid"),
                             {}};
    }
    return std::nullopt;
}

Note podman_note(const fs::path& root, std::string_view name) {
    auto list = read_json(root / "var/lib/containers/storage/overlay-containers/containers.json");
    if (!list.is_array()) return std::nullopt;
    for (const auto& container : list)
        for (const auto& known : field(container, "names"))
            if (known == name) return ContainerNote{text_field(container, "id"), 0, {}};
    return std::nullopt;
}

Result<CgroupRef> only(const std::vector<std::string>& paths, const Scope& scope) {
    if (paths.size() == 1) return open_cgroup(paths.front());
    return failure(fmt::format("{} may be any of {}", scope.to_string(), fmt::join(paths, ", ")),
                   "name it by cgroup:PATH");
}

Result<CgroupRef> find_unit(const fs::path& mount, const Scope& scope) {
    auto paths = unit_cgroups(mount, scope.name());
    if (paths.empty())
        return failure(fmt::format("unit {} has no cgroup: it is not running", scope.name()),
                       "start it first; or use its slice, which is there before it");
    return only(paths, scope);
}

Result<CgroupRef> find_container(const fs::path& mount, const Scope& scope) {
    auto paths = container_cgroups(mount, scope.name());
    if (!paths.empty()) return only(paths, scope);
    if (auto note = container_note("/", scope.name())) {
        if (!note->cgroup.empty())
            if (auto cgroup = open_cgroup(note->cgroup)) return cgroup;
        if (note->pid > 0) return cgroup_of_process(note->pid);
        if (auto by_id = container_cgroups(mount, note->id); !by_id.empty())
            return only(by_id, scope);
    }
    return failure(fmt::format("no running container {}", scope.name()),
                   "give its id as docker ps or podman ps shows it, or use pid:N of a process in "
                   "it");
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
    walk(*mount, [&](const std::string& path, const std::string&) {
        struct stat status {};
        if (::stat((mount->native() + path).c_str(), &status) == 0 && status.st_ino == id)
            found = path;
        return found.has_value();
    });
    return found;
}

std::vector<std::string> unit_cgroups(const fs::path& cgroups, std::string_view unit) {
    std::vector<std::string> system, user;
    walk(cgroups, [&](std::string path, const std::string& name) {
        // systemd puts '_' before names that could be taken for a file of the kernel.
        if (name != unit && name != fmt::format("_{}", unit)) return false;
        (path.find("/user@") == path.npos ? system : user).push_back(std::move(path));
        return true;
    });
    return system.empty() ? user : system; // a unit of the system wins over a user's namesake
}

std::vector<std::string> container_cgroups(const fs::path& cgroups, std::string_view id) {
    std::vector<std::string> whole, begun;
    walk(cgroups, [&](std::string path, const std::string& name) {
        auto known = container_id(name);
        if (known == id)
            whole.push_back(std::move(path));
        else if (is_short_id(id) && known.starts_with(id) && is_short_id(known))
            begun.push_back(std::move(path));
        else
            return false;
        return true;
    });
    return whole.empty() ? begun : whole;
}

std::optional<ContainerNote> container_note(const fs::path& root, std::string_view name) {
    for (auto* look : {crun_note, runc_note, containerd_note, docker_note, podman_note})
        if (auto note = look(root, name)) return note;
    return std::nullopt;
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
    case Scope::Kind::kCgroup:
        return open_cgroup(scope.name());
    case Scope::Kind::kInterface:
    case Scope::Kind::kAny:
        break;
    }
    return usage_error(fmt::format("{} is not a cgroup", scope.to_string()),
                       "a cgroup is named by cgroup:PATH, unit:NAME, container:ID or pid:N");
}

} // namespace bpfport
