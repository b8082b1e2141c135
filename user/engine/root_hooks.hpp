// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Programs on the root cgroup, which run for the whole machine: local_clients/ and guard/ in the
// store, one of each whatever the number of attachments. And host/, the maps that the programs of
// all cgroups share.
#pragma once

#include <filesystem>
#include <span>

#include "base/error.hpp"
#include "kernel/link.hpp"
#include "state/store.hpp"

namespace bpfport {

// Loads an object's programs into a directory; with maps to be used on, or new ones.
using Loader = Result<void> (*)(const std::filesystem::path& into,
                                const std::filesystem::path& host,
                                const std::filesystem::path& keep);

struct RootPrograms {
    const char* directory;
    std::span<const Hook> hooks;
    Loader load;
};
extern const RootPrograms kLocalClientPrograms;
extern const RootPrograms kGuardPrograms;

Result<void> ensure_host(Store& store);
// There and linked, with this version's programs.
Result<void> ensure_root_programs(Store& store, const RootPrograms& programs);
// The kernel runs them, asked of each link.
bool root_programs_alive(const Store& store, const RootPrograms& programs);

// Programs on the root cgroup that a version with another ABI left behind. To be called when all that
// it attached is gone.
Result<void> remove_unreadable_root_programs(Store& store);

// host/ when nothing needs it any more.
Result<void> remove_unused_host(Store& store);

} // namespace bpfport
