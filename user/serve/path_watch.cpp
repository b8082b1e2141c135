// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "serve/path_watch.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "serve/inotify.hpp"

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
    auto inotify = open_inotify();
    if (!inotify) return std::unexpected(inotify.error());
    return PathWatch(std::move(*inotify), what);
}

void PathWatch::follow(std::set<fs::path> directories) {
    wanted_ = std::move(directories);
    refresh();
}

void PathWatch::refresh() {
    std::map<int, fs::path> now;
    const auto watch = [&](const fs::path& path, std::uint32_t mask) {
        const int id = ::inotify_add_watch(inotify_.get(), path.c_str(), mask | IN_ONLYDIR);
        if (id >= 0) now[id] = path;
        return id >= 0;
    };
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
    for (const auto& [id, _] : watched_)
        if (!now.contains(id)) ::inotify_rm_watch(inotify_.get(), id);
    watched_ = std::move(now);
}

bool PathWatch::is_on_the_way(const fs::path& path) const {
    return std::ranges::any_of(wanted_, [&](const fs::path& wanted) {
        return std::mismatch(path.begin(), path.end(), wanted.begin(), wanted.end()).first ==
               path.end();
    });
}

bool PathWatch::matters(int watch, std::uint32_t mask, std::string_view name) const {
    auto directory = watched_.find(watch);
    if (mask & IN_Q_OVERFLOW) return true;
    if (directory == watched_.end() || (mask & IN_IGNORED)) return false;
    if (!wanted_.contains(directory->second))
        return (mask & kEnd) || is_on_the_way(directory->second / name);
    return !((mask & IN_CREATE) && is_new_file(directory->second / name));
}

bool PathWatch::take() {
    bool changed = false;
    read_inotify(inotify_, [&](const inotify_event& event, std::string_view name) {
        changed |= matters(event.wd, event.mask, name);
    });
    if (changed) refresh();
    return changed;
}

} // namespace bpfport
