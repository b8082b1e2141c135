// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The compiled programs of the cgroup engine: loaded with what this kernel can do, and pinned.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/error.hpp"

namespace bpfport {

// Allowing a low port from a bind hook (5.12); rules need no more than 5.10.
bool kernel_can_grant();
// Saying EACCES instead of EPERM (5.18).
bool kernel_can_say_why();

// Each pins into `into`. `host` is the directory with the shared maps.
Result<void> load_host_maps(const std::filesystem::path& into);
// `keep`: a directory with maps to be used on; empty: they are made.
Result<void> load_cgroup_object(const std::filesystem::path& into,
                                const std::filesystem::path& host,
                                const std::filesystem::path& keep = {});
Result<void> load_local_clients_object(const std::filesystem::path& into,
                                       const std::filesystem::path& host,
                                       const std::filesystem::path& keep = {});
Result<void> load_guard_object(const std::filesystem::path& into, const std::filesystem::path& host,
                               const std::filesystem::path& keep = {});

// Differs whenever the compiled programs of any of the three do.
std::uint64_t cgroup_object_build();

} // namespace bpfport
