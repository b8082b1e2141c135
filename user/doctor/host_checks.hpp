// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the host offers: kernel features, privileges, file systems. Features are found by doing (a
// program is loaded, a map is made), never by the kernel's version.
#pragma once

#include <filesystem>

#include "doctor/finding.hpp"

namespace bpfport {

void check_capabilities(Findings& findings);
void check_kernel(Findings& findings);
// The bpffs that `root` (of the store) is in, and cgroup2. Mounts nothing.
void check_mounts(const std::filesystem::path& root, Findings& findings);

} // namespace bpfport
