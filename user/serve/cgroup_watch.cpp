// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "serve/cgroup_watch.hpp"

#include <algorithm>

#include "base/directory.hpp"
#include "kernel/cgroup.hpp"
#include "kernel/cgroup_lookup.hpp"

namespace bpfport {

namespace fs = std::filesystem;

namespace {

constexpr unsigned kLooks = 20;
constexpr std::uint32_t kComingAndGoing = IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM;

bool is_path(const Scope& scope) { return scope.kind() == Scope::Kind::kCgroup; }

// What is inside of a unit or a container is named by its path only.
bool may_hold_units(const fs::path& directory) {
    const std::string name = directory.filename();
    return !name.ends_with(".scope") && !name.ends_with(".service");
}

} // namespace

Result<CgroupWatch> CgroupWatch::open() {
    auto inotify = Inotify::open();
    if (!inotify) return std::unexpected(inotify.error());
    return CgroupWatch(std::move(*inotify));
}

void CgroupWatch::follow(std::vector<Scope> scopes) {
    scopes_ = std::move(scopes);
    looks_left_ = 0;
    refresh();
    (void)find_all();
}

// Watches are added before anything is looked for: what comes in between is seen by one of the two.
void CgroupWatch::refresh() {
    inotify_.renew([&](const Inotify::Watch& watch_for) {
        const auto watch = [&](const fs::path& path) { return watch_for(path, kComingAndGoing); };
        auto mount = cgroup_mount();
        if (!mount || scopes_.empty()) return;
        watch(*mount);
        for (const auto& scope : scopes_) {
            if (!is_path(scope)) continue;
            const bool below = scope.name().starts_with(mount->native() + "/");
            auto directory = below ? fs::path("/") : *mount;
            for (const auto& part : fs::path(scope.name()).relative_path())
                if (!watch(directory /= part)) break;
        }
        if (!std::ranges::all_of(scopes_, is_path))
            walk_directories(
                *mount, [&](const fs::path& path) { return may_hold_units(path) && watch(path); });
    });
}

bool CgroupWatch::find_all() {
    std::vector<std::uint64_t> now;
    for (const auto& scope : scopes_) {
        auto cgroup = find_cgroup(scope);
        now.push_back(cgroup ? cgroup->id : 0);
    }
    return std::exchange(found_, now) != now;
}

bool CgroupWatch::take() {
    bool any = false;
    inotify_.take([&](const Inotify::Event& event) {
        any |= (event.mask & (IN_ISDIR | IN_Q_OVERFLOW)) != 0;
    });
    if (!any || scopes_.empty()) return false;
    refresh();
    const bool differs = find_all();
    bool waits = false;
    for (std::size_t i = 0; i < scopes_.size(); i++)
        waits |= scopes_[i].kind() == Scope::Kind::kContainer && found_[i] == 0;
    looks_left_ = waits ? kLooks : 0;
    return differs;
}

bool CgroupWatch::look_again() {
    looks_left_--;
    const bool differs = find_all();
    if (differs) looks_left_ = 0;
    return differs;
}

} // namespace bpfport
