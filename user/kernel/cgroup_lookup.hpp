// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The cgroup behind a scope: a path, a process, a systemd unit, a container.
//
// A name is the system's only where no other user can have made it. Units and containers are looked
// for in cgroups that root owns from the mount on (a user manager's tree is the user's), never below
// a unit or a container, whose own processes may make what they like there; a container's name in
// what its runtime keeps in /run and /var/lib (container_note.hpp). No daemon is asked.
#pragma once

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

// Its directory is gone; one of the same path that was made since is another. Its path is that of the cgroup namespace it
// was named in. In that one it is looked up, where the whole hierarchy is seen it is looked for, anywhere else the
// answer is no.
bool is_removed(const CgroupRef& cgroup);

// Whether the owner of `cgroups` (root) owns every cgroup on the way to `path` and alone may move
// processes into it.
bool is_systems(const std::filesystem::path& cgroups, std::string_view path);

// Below `cgroups`, as paths: what systemd made for a unit: a folder of its name in slices.
std::vector<std::string> unit_cgroups(const std::filesystem::path& cgroups, std::string_view unit);

// Folders that a runtime made for the container with this id of 64 digits: docker-ID.scope,
// libpod-ID.scope, cri-containerd-ID.scope, crio-ID.scope, crun-ID.scope, /docker/ID, /ID.
std::vector<std::string> container_cgroups(const std::filesystem::path& cgroups,
                                           std::string_view id);

} // namespace bpfport
