// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A staged upgrade: the programs of this build in the place of another's, without a gap.
//
// They are loaded into a staging directory, over the maps that are in use; then every link that runs is
// given its program; then the programs' pins are replaced. Killed between two steps, links run programs
// of either build over the same maps and every pin is whole. The caller notes the build last, so the
// next command upgrades again.
#pragma once

#include <filesystem>
#include <functional>
#include <span>

#include "base/error.hpp"
#include "kernel/link.hpp"
#include "state/store.hpp"

namespace bpfport {

// What is done with a directory of programs that are staged.
using StagingStep = std::function<Result<void>(const std::filesystem::path& staging)>;

// `load` pins programs into the staging directory, `update` gives them to links; then they replace
// those of `directory`.
Result<void> upgrade_programs(Store& store, const std::filesystem::path& directory,
                              const StagingStep& load, const StagingStep& update);

// Of programs whose links are pinned beside them, updated in this order.
Result<void> upgrade_hooks(Store& store, const std::filesystem::path& directory,
                           std::span<const Hook> hooks, const StagingStep& load);

} // namespace bpfport
