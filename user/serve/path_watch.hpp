// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// PathWatch: changes in directories, by inotify: files that were written and closed, renamed, removed, made, or got
// another owner, mode or time. A directory that is not there yet is waited for. A file that is still being written is
// no change.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <utility>

#include "base/error.hpp"
#include "serve/inotify.hpp"

namespace bpfport {

class PathWatch {
  public:
    // kTimes: also when a directory's own time of modification is set, as the store's is by each command.
    enum class What { kFiles, kTimes };
    static Result<PathWatch> open(What what);

    // From now on these directories; of one that is not there the nearest above it that is.
    void follow(std::set<std::filesystem::path> directories);
    [[nodiscard]] int fd() const { return inotify_.fd(); }
    // Whether something has changed. Doesn't wait.
    bool take();

  private:
    PathWatch(Inotify inotify, What what) : inotify_(std::move(inotify)), what_(what) {}
    void refresh();
    [[nodiscard]] bool matters(const Inotify::Event& event) const;
    [[nodiscard]] bool is_on_the_way(const std::filesystem::path& path) const;

    Inotify inotify_;
    What what_;
    std::set<std::filesystem::path> wanted_;
};

} // namespace bpfport
