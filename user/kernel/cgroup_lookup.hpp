// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The cgroup behind a scope: a path, a process, a systemd unit, a container.
//
// Units and containers are found by the names of the cgroups that systemd and the runtimes make for
// them; a container's own name by what its runtime keeps in /run and /var/lib. No daemon is asked.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "kernel/cgroup.hpp"
#include "rule/scope.hpp"

namespace bpfport {

Result<CgroupRef> find_cgroup(const Scope& scope);

// Below the mount, by what programs call it; nullopt: it is gone.
std::optional<std::string> path_of_cgroup(std::uint64_t id);

// Below `cgroups`, as paths: folders with a unit's name; those of user managers come last.
std::vector<std::string> unit_cgroups(const std::filesystem::path& cgroups, std::string_view unit);

// Folders that a runtime made for the container whose id is, or begins with, `id`: docker-ID.scope,
// libpod-ID.scope, cri-containerd-ID.scope, crio-ID.scope, crun-ID.scope, /docker/ID, /ID. The
// uppermost of each branch.
std::vector<std::string> container_cgroups(const std::filesystem::path& cgroups,
                                           std::string_view id);

// What a runtime noted of a container that is called so: its id, its first process, its cgroup;
// whichever is known.
struct ContainerNote {
    std::string id;
    pid_t pid = 0;
    std::string cgroup;
};
// `root`: / but for tests. docker, podman, containerd, crun, runc.
std::optional<ContainerNote> container_note(const std::filesystem::path& root,
                                            std::string_view name);

} // namespace bpfport
