// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What container runtimes note of a container, in files that root owns (system_file.hpp). The notes of
// rootless runtimes are their users' words and are not asked: those containers are named by
// cgroup:PATH or pid:N.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace bpfport {

// Whichever is known of its id, its first process and its cgroup.
struct ContainerNote {
    std::string id;
    pid_t pid = 0;
    std::string cgroup;
};

// Of the container that has this name, or whose id begins so and is the only one.
// `root`: / but for tests. docker, podman, containerd, crun, runc.
std::optional<ContainerNote> container_note(const std::filesystem::path& root,
                                            std::string_view name);

} // namespace bpfport
