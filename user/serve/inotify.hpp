// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Inotify: directories that are watched by inotify(7).
#pragma once

#include <sys/inotify.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace bpfport {

class Inotify {
  public:
    static Result<Inotify> open();
    [[nodiscard]] int fd() const { return fd_.get(); }

    // Watches a directory for these events; false: there is none. The mask of its last call counts.
    using Watch = std::function<bool(const std::filesystem::path& directory, std::uint32_t mask)>;
    // Calls name(watch). Directories that it does not watch are watched no longer.
    void renew(const std::function<void(const Watch&)>& name);

    struct Event {
        std::uint32_t mask;
        const std::filesystem::path*
            directory;         // nullptr: it is watched no longer, or events were lost
        std::string_view name; // of what is in it; may be empty
    };
    // Calls visit for each event that is there. Doesn't wait.
    void take(const std::function<void(const Event&)>& visit) const;

  private:
    explicit Inotify(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
    std::map<int, std::filesystem::path> watched_;
};

} // namespace bpfport
