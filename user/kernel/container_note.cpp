// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/container_note.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/directory.hpp"
#include "kernel/system_file.hpp"

namespace bpfport {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::json;
using Note = std::optional<ContainerNote>;

Json read_json(const fs::path& root, const fs::path& below) {
    auto text = read_system_file(root, below);
    return text ? Json::parse(*text, nullptr, /*allow_exceptions=*/false) : Json();
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

bool begins_id(std::string_view id, std::string_view name) {
    constexpr std::size_t kFewest = 4;
    return name.size() >= kFewest && name.find_first_not_of("0123456789abcdef") == name.npos &&
           id.starts_with(name);
}

// The directory of that name, or the only one whose id begins so.
std::optional<std::string> folder_of(const fs::path& place, std::string_view name) {
    std::vector<std::string> begun;
    for (const auto& entry : entries_of(place)) {
        if (entry.filename().native() == name) return std::string(name);
        if (begins_id(entry.filename().native(), name)) begun.push_back(entry.filename());
    }
    return begun.size() == 1 ? std::optional(begun.front()) : std::nullopt;
}

// crun: /run/crun/NAME/status.
Note crun_note(const fs::path& root, std::string_view name) {
    const fs::path place = "run/crun";
    auto folder = folder_of(root / place, name);
    if (!folder) return std::nullopt;
    auto status = read_json(root, place / *folder / "status");
    if (!status.is_object()) return std::nullopt;
    return ContainerNote{*folder, pid_field(status, "pid"), text_field(status, "cgroup-path")};
}

// runc: /run/runc/NAME/state.json, for docker and containerd in folders of theirs.
Note runc_note(const fs::path& root, std::string_view name) {
    for (const fs::path place : {"run/runc", "run/docker/runtime-runc/moby",
                                 "run/containerd/runc/k8s.io", "run/containerd/runc/default"}) {
        auto folder = folder_of(root / place, name);
        if (!folder) continue;
        auto state = read_json(root, place / *folder / "state.json");
        if (state.is_object())
            return ContainerNote{*folder, pid_field(state, "init_process_pid"), {}};
    }
    return std::nullopt;
}

Note containerd_note(const fs::path& root, std::string_view name) {
    const fs::path place = "run/containerd/io.containerd.runtime.v2.task";
    for (const auto& space : entries_of(root / place)) {
        auto folder = folder_of(space, name);
        if (!folder) continue;
        auto text = read_system_file(root, place / space.filename() / *folder / "init.pid");
        pid_t pid = 0;
        if (text) std::from_chars(text->data(), text->data() + text->size(), pid);
        if (pid > 0) return ContainerNote{*folder, pid, {}};
    }
    return std::nullopt;
}

Note docker_note(const fs::path& root, std::string_view name) {
    const fs::path place = "var/lib/docker/containers";
    const auto folder = folder_of(root / place, name);
    for (const auto& container : entries_of(root / place)) {
        const std::string id = container.filename();
        auto config = read_json(root, place / id / "config.v2.json");
        if (id != folder && text_field(config, "Name") != fmt::format("/{}", name)) continue;
        if (!config.is_object()) continue;
        return ContainerNote{id, pid_field(field(config, "State"), "Pid"), {}};
    }
    return std::nullopt;
}

Note podman_note(const fs::path& root, std::string_view name) {
    auto list = read_json(root, "var/lib/containers/storage/overlay-containers/containers.json");
    if (!list.is_array()) return std::nullopt;
    std::vector<std::string> begun;
    for (const auto& container : list) {
        const std::string id = text_field(container, "id");
        for (const auto& known : field(container, "names"))
            if (known == name) return ContainerNote{id, 0, {}};
        if (begins_id(id, name)) begun.push_back(id);
    }
    if (begun.size() != 1) return std::nullopt;
    return ContainerNote{begun.front(), 0, {}};
}

} // namespace

std::optional<ContainerNote> container_note(const fs::path& root, std::string_view name) {
    for (auto* look : {crun_note, runc_note, containerd_note, docker_note, podman_note})
        if (auto note = look(root, name)) return note;
    return std::nullopt;
}

} // namespace bpfport
