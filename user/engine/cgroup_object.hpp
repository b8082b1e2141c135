// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The compiled programs of the cgroup engine: loaded with what this kernel can do, and pinned.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/error.hpp"

namespace bpfport {

namespace pins {
// host/: what the programs of all cgroups share.
inline constexpr const char* kHostEvents = "events";     // ring buffer of bp_event
inline constexpr const char* kHostWatch = "watch";       // bp_watch
inline constexpr const char* kAsked = "asked";           // in sockets: bp_asked
inline constexpr const char* kLocals = "local_prefixes"; // by network namespace
inline constexpr const char* kTold = "told";             // in sockets: their cgroup's rule answers
// neighbours/ and guard/
inline constexpr const char* kPorts = "ports"; // bp_ports
inline constexpr const char* kClaims = "claims";
inline constexpr const char* kGuards = "guards";
} // namespace pins

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
Result<void> load_neighbours_object(const std::filesystem::path& into,
                                    const std::filesystem::path& host,
                                    const std::filesystem::path& keep = {});
Result<void> load_guard_object(const std::filesystem::path& into, const std::filesystem::path& host,
                               const std::filesystem::path& keep = {});

// Differs whenever the compiled programs of any of the three do.
std::uint64_t cgroup_object_build();

} // namespace bpfport
