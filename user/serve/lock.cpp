// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "serve/lock.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include <fmt/format.h>

namespace bpfport {

namespace fs = std::filesystem;

namespace {

constexpr const char* kDirectory = "/run/bpfport";

struct flock whole(short kind) {
    struct flock lock {};
    lock.l_type = kind;
    lock.l_whence = SEEK_SET;
    return lock;
}

std::unexpected<Error> taken_by(pid_t pid, const fs::path& root) {
    // 0: in a pid namespace that this process doesn't see.
    const std::string who = pid > 0 ? fmt::format("process {}", pid) : "a process of a container";
    return failure(fmt::format("{} serves {} already", who, root.native()),
                   pid > 0 ? fmt::format("stop it first: systemctl stop bpfport, or kill {}", pid)
                           : "stop it first");
}

} // namespace

Result<ServeLock> ServeLock::take(const fs::path& root) {
    std::string name = root.native();
    std::ranges::replace(name, '/', '-');
    const auto path = fs::path(kDirectory) / fmt::format("serve{}.lock", name);
    if (::mkdir(kDirectory, 0755) != 0 && errno != EEXIST) return system_error(kDirectory);
    for (;;) {
        Fd file(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!file) return system_error(path.native());
        auto lock = whole(F_WRLCK);
        if (::fcntl(file.get(), F_SETLK, &lock) != 0) {
            if (errno != EAGAIN && errno != EACCES) return system_error(path.native());
            if (::fcntl(file.get(), F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
                return taken_by(lock.l_pid, root);
            continue; // it ended in between
        }
        // Another may have removed it at its end after it was opened here.
        struct stat status {};
        if (::fstat(file.get(), &status) == 0 && status.st_nlink > 0)
            return ServeLock(path, std::move(file));
    }
}

ServeLock::~ServeLock() {
    if (file_) ::unlink(path_.c_str());
}

} // namespace bpfport
