// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "serve/inotify.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace bpfport {

namespace fs = std::filesystem;

Result<Inotify> Inotify::open() {
    Fd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!fd) return system_error("inotify", errno, "see /proc/sys/fs/inotify/max_user_instances");
    return Inotify(std::move(fd));
}

void Inotify::renew(const std::function<void(const Watch&)>& name) {
    std::map<int, fs::path> now;
    name([&](const fs::path& directory, std::uint32_t mask) {
        const int id = ::inotify_add_watch(fd_.get(), directory.c_str(), mask | IN_ONLYDIR);
        if (id >= 0) now[id] = directory;
        return id >= 0;
    });
    for (const auto& [id, _] : watched_)
        if (!now.contains(id)) ::inotify_rm_watch(fd_.get(), id);
    watched_ = std::move(now);
}

void Inotify::take(const std::function<void(const Event&)>& visit) const {
    alignas(inotify_event) char buffer[8192];
    for (ssize_t got = 0; (got = ::read(fd_.get(), buffer, sizeof buffer)) > 0;)
        for (ssize_t at = 0; at < got;) {
            inotify_event event{};
            std::memcpy(&event, buffer + at, sizeof event);
            const char* name = buffer + at + sizeof event;
            const auto directory = watched_.find(event.wd);
            visit({event.mask, directory == watched_.end() ? nullptr : &directory->second,
                   std::string_view(name, event.len ? ::strnlen(name, event.len) : 0)});
            at += static_cast<ssize_t>(sizeof event + event.len);
        }
}

} // namespace bpfport
