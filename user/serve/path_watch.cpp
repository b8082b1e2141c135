// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "serve/path_watch.hpp"

#include <sys/stat.h>

#include <algorithm>

namespace bpfport {

namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t kEnd = IN_DELETE_SELF | IN_MOVE_SELF;
constexpr std::uint32_t kChanges =
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB | kEnd;
constexpr std::uint32_t kArrivals = IN_CREATE | IN_MOVED_TO | kEnd;

// Made just now and open for writing: IN_CLOSE_WRITE follows. A link or a directory is whole.
bool is_new_file(const fs::path& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1;
}

} // namespace

Result<PathWatch> PathWatch::open(What what) {
    auto inotify = Inotify::open();
    if (!inotify) return std::unexpected(inotify.error());
    return PathWatch(std::move(*inotify), what);
}

void PathWatch::follow(std::set<fs::path> directories) {
    wanted_ = std::move(directories);
    refresh();
}

void PathWatch::refresh() {
    inotify_.renew([&](const Inotify::Watch& watch) {
        // The ways first: a directory that is wanted itself has the larger mask.
        for (const auto& path : wanted_) {
            struct stat status {};
            if (::stat(path.c_str(), &status) == 0) continue;
            for (auto above = path.parent_path();
                 !watch(above, kArrivals) && above != above.root_path();)
                above = above.parent_path();
        }
        for (const auto& path : wanted_)
            watch(path, what_ == What::kTimes ? kChanges | IN_MODIFY : kChanges);
    });
}

bool PathWatch::is_on_the_way(const fs::path& path) const {
    return std::ranges::any_of(wanted_, [&](const fs::path& wanted) {
        return std::mismatch(path.begin(), path.end(), wanted.begin(), wanted.end()).first ==
               path.end();
    });
}

bool PathWatch::matters(const Inotify::Event& event) const {
    if (event.mask & IN_Q_OVERFLOW) return true;
    if (!event.directory || (event.mask & IN_IGNORED)) return false;
    if (!wanted_.contains(*event.directory))
        return (event.mask & kEnd) || is_on_the_way(*event.directory / event.name);
    return !((event.mask & IN_CREATE) && is_new_file(*event.directory / event.name));
}

bool PathWatch::take() {
    bool changed = false;
    inotify_.take([&](const Inotify::Event& event) { changed |= matters(event); });
    if (changed) refresh();
    return changed;
}

} // namespace bpfport
