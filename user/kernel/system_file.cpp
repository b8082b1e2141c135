// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/system_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.hpp"

namespace bpfport {

namespace {

constexpr mode_t kOthersWrite = S_IWOTH;

bool only_of(const struct stat& status, uid_t owner) {
    return status.st_uid == owner && !(status.st_mode & kOthersWrite);
}

} // namespace

std::optional<std::string> read_system_file(const std::filesystem::path& root,
                                            const std::filesystem::path& below, std::size_t most) {
    struct stat status {};
    if (::stat(root.c_str(), &status) != 0) return std::nullopt;
    const uid_t owner = status.st_uid;
    auto path = root;
    for (const auto& part : below.parent_path()) {
        path /= part;
        if (::stat(path.c_str(), &status) != 0 || !only_of(status, owner)) return std::nullopt;
    }
    path /= below.filename();
    const Fd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
        !only_of(status, owner))
        return std::nullopt;
    std::string text;
    char part[4096];
    for (ssize_t got = 0; (got = ::read(file.get(), part, sizeof(part))) != 0;) {
        if (got < 0 || text.size() + static_cast<std::size_t>(got) > most) return std::nullopt;
        text.append(part, static_cast<std::size_t>(got));
    }
    return text;
}

} // namespace bpfport
