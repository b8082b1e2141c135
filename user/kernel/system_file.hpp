// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Files that only the system's administrator can have written: read as such, or not at all.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

namespace bpfport {

// The content of a regular file that the owner of `root` (/ but for tests) owns, as well as every
// directory on the way, and that nobody else may write. Never waits, as for a FIFO's writer, and
// never reads more than `most`: such a file is none of a runtime's.
std::optional<std::string> read_system_file(const std::filesystem::path& root,
                                            const std::filesystem::path& below,
                                            std::size_t most = std::size_t{4} << 20U);

} // namespace bpfport
