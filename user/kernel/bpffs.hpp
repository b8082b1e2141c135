// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The BPF file system: all state lives there, so it has to be the one that outlives the command.
#pragma once

#include <filesystem>

#include "base/error.hpp"

namespace bpfport {

inline constexpr const char* kBpffs = "/sys/fs/bpf";

// Mounts it where the host has none. Refuses a private mount namespace such as `ip netns exec`
// makes, in which pins would die with the command.
Result<void> ensure_bpffs(const std::filesystem::path& mount_point = kBpffs);

// Removes a pin; none there is no error. A link is detached before: the one that goes with its last
// reference is detached by the kernel some time after unlink() has returned.
Result<void> remove_pin(const std::filesystem::path& path);

} // namespace bpfport
