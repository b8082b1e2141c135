// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Reading events of inotify(7).
#pragma once

#include <sys/inotify.h>
#include <unistd.h>

#include <cstring>
#include <string_view>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace bpfport {

inline Result<Fd> open_inotify() {
    Fd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!fd) return system_error("inotify", errno, "see /proc/sys/fs/inotify/max_user_instances");
    return fd;
}

// Calls visit(event, name) for each event that is there; doesn't wait.
template <typename Visit> void read_inotify(const Fd& inotify, const Visit& visit) {
    alignas(inotify_event) char buffer[8192];
    for (ssize_t got = 0; (got = ::read(inotify.get(), buffer, sizeof buffer)) > 0;)
        for (ssize_t at = 0; at < got;) {
            inotify_event event{};
            std::memcpy(&event, buffer + at, sizeof event);
            const char* name = buffer + at + sizeof event;
            visit(event, std::string_view(name, event.len ? ::strnlen(name, event.len) : 0));
            at += static_cast<ssize_t>(sizeof event + event.len);
        }
}

} // namespace bpfport
