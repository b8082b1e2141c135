// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "engine/upgrade.hpp"

#include <cstdio>

#include <fmt/format.h>

#include "base/directory.hpp"
#include "kernel/bpf.hpp"

namespace bpfport {

namespace fs = std::filesystem;

Result<void> upgrade_programs(Store& store, const fs::path& directory, const StagingStep& load,
                              const StagingStep& update) {
    auto staging = store.stage();
    if (!staging) return std::unexpected(staging.error());
    if (auto loaded = load(staging->path()); !loaded) return loaded;
    BP_TRY(update(staging->path()), "upgrade");
    for (const auto& program : entries_of(staging->path()))
        if (rename(program.c_str(), (directory / program.filename()).c_str()) != 0)
            return system_error(
                fmt::format("upgrade: replace program {}", program.filename().native()));
    return {};
}

Result<void> upgrade_hooks(Store& store, const fs::path& directory, std::span<const Hook> hooks,
                           const StagingStep& load) {
    return upgrade_programs(store, directory, load, [&](const fs::path& staging) -> Result<void> {
        for (const auto& hook : hooks) {
            auto program = open_pin(staging / hook.program);
            if (!program) return std::unexpected(program.error());
            if (auto updated = update_link(directory / hook.link, *program); !updated)
                return updated;
        }
        return {};
    });
}

} // namespace bpfport
