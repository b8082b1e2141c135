// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "base/file.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace bpfport {

std::string read_file(const std::filesystem::path& path) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string text;
    char part[16384];
    for (ssize_t got = 0; file && (got = ::read(file.get(), part, sizeof(part))) > 0;)
        text.append(part, static_cast<std::size_t>(got));
    return text;
}

Result<void> write_all(const Fd& file, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(file.get(), text.data(), text.size());
        if (written < 0) return system_error("write");
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

} // namespace bpfport
