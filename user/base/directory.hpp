// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What a directory holds. The iterators of <filesystem> throw on the way through one that goes away
// (an ended process, a removed cgroup); these end there.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

namespace bpfport {

// Unsorted; empty when it can't be read.
std::vector<std::filesystem::path> entries_of(const std::filesystem::path& directory);

// Calls visit for each directory below, parents first, links not followed; a branch ends where it
// says no.
using Descend = std::function<bool(const std::filesystem::path&)>;
void walk_directories(const std::filesystem::path& below, const Descend& visit);

} // namespace bpfport
