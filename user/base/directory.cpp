// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "base/directory.hpp"

#include <system_error>

namespace bpfport {

namespace fs = std::filesystem;

std::vector<fs::path> entries_of(const fs::path& directory) {
    std::vector<fs::path> entries;
    std::error_code error;
    for (auto it = fs::directory_iterator(directory, error);
         !error && it != fs::directory_iterator(); it.increment(error))
        entries.push_back(it->path());
    return entries;
}

void walk_directories(const fs::path& below, const Descend& visit) {
    for (const auto& path : entries_of(below)) {
        std::error_code gone;
        if (fs::symlink_status(path, gone).type() == fs::file_type::directory && visit(path))
            walk_directories(path, visit);
    }
}

} // namespace bpfport
