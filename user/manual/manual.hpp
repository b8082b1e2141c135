// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The files that are installed beside the program: man pages and completions.
#pragma once

#include <filesystem>
#include <map>

#include "base/error.hpp"
#include "manual/man_page.hpp"

namespace bpfport {

// By their names below the directory of all: man/man8/bpfport-attach.8, bash/bpfport ...
std::map<std::filesystem::path, std::string> manual_files(const Edition& edition);

// Removes what was written there before.
Result<void> write_manual(const std::filesystem::path& directory, const Edition& edition);

} // namespace bpfport
