// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>

#include <fmt/format.h>

#include "base/directory.hpp"
#include "kernel/bpffs.hpp"

namespace bpfport {

namespace fs = std::filesystem;

namespace {

Result<void> remove_empty(const fs::path& directory) {
    std::error_code error;
    fs::remove(directory, error);
    if (error) return system_error(fmt::format("remove {}", directory.native()), error.value());
    return {};
}

// A directory of pins, one level deep. A directory in it is not bpfport's: it goes when it is empty
// and is never walked, for something may be mounted there.
Result<void> remove_pins(const fs::path& directory) {
    std::error_code ignored;
    for (const auto& entry : entries_of(directory)) {
        bool nested = fs::symlink_status(entry, ignored).type() == fs::file_type::directory;
        if (auto removed = nested ? remove_empty(entry) : remove_pin(entry); !removed)
            return removed;
    }
    return remove_empty(directory);
}

// The directory's owner may rename and remove what is in it, hold its lock, or put other pins there. In a bpffs of mode 1777, which is its default, any user may have made it before us.
Result<void> check_owner(const fs::path& root, const Fd& directory) {
    struct stat own {
    }, parent{};
    if (fstat(directory.get(), &own) != 0 || stat(root.parent_path().c_str(), &parent) != 0)
        return system_error(fmt::format("look at {}", root.native()));
    constexpr mode_t kOthersWrite = S_IWGRP | S_IWOTH;
    auto ours = [](const struct stat& status) {
        return status.st_uid == 0 || status.st_uid == geteuid();
    };
    if (!ours(own) || (own.st_mode & kOthersWrite))
        return failure(fmt::format("{} belongs to user {}, mode {:04o}: what is in it can't be "
                                   "trusted",
                                   root.native(), own.st_uid, own.st_mode & 07777U),
                       fmt::format("remove it, and keep others out of the bpffs: mount -o "
                                   "remount,mode=0700 {}",
                                   root.parent_path().native()));
    if (!ours(parent) || ((parent.st_mode & kOthersWrite) && !(parent.st_mode & S_ISVTX)))
        return failure(fmt::format("other users may rename {}", root.native()),
                       fmt::format("mount -o remount,mode=0700 {}", root.parent_path().native()));
    return {};
}

} // namespace

Staging::~Staging() {
    if (!path_.empty()) (void)remove_pins(path_); // else the next command's sweep does it
}

Result<void> Staging::publish(const std::string& name) {
    fs::path target = path_.parent_path() / name;
    if (rename(path_.c_str(), target.c_str()) != 0)
        return system_error(fmt::format("publish {}", target.native()));
    path_.clear();
    return {};
}

Result<Store> Store::open(fs::path root, Access access) {
    if (access == Access::kChange && mkdir(root.c_str(), 0700) != 0 && errno != EEXIST)
        return system_error(fmt::format("create {}", root.native()));
    Fd directory(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory) {
        if (errno == ENOENT && access == Access::kRead) return Store(std::move(root), Fd());
        return system_error(fmt::format("open {}", root.native()));
    }
    if (auto checked = check_owner(root, directory); !checked)
        return std::unexpected(checked.error());
    Store store(std::move(root), std::move(directory));
    if (access == Access::kRead) return store;
    BP_TRY(lock_store(store.directory_, LOCK_EX), store.root_.native());
    store.locked_ = true;
    BP_TRY(stamp_store(store.directory_), store.root_.native());
    for (const auto& entry : entries_of(store.root_))
        if (entry.filename().native().starts_with(kStagingPrefix))
            BP_TRY(remove_pins(entry), "sweep");
    return store;
}

Store::~Store() {
    if (locked_ && directory_) (void)stamp_store(directory_);
}

// It has the lock for two system calls: a reader that is stopped between them holds up commands until it goes on.
Result<Stamp> Store::settled() const {
    BP_TRY(lock_store(directory_, LOCK_SH), root_.native());
    auto stamp = store_stamp(directory_);
    unlock_store(directory_);
    return stamp;
}

Result<Store::Hold> Store::hold() const {
    BP_TRY(lock_store(directory_, LOCK_EX), root_.native());
    return Hold(&directory_);
}

std::vector<std::string> Store::entries() const {
    std::vector<std::string> names;
    for (const auto& entry : entries_of(root_))
        if (auto name = entry.filename().native(); !name.starts_with(kStagingPrefix))
            names.push_back(name);
    std::ranges::sort(names);
    return names;
}

bool Store::has(const std::string& name) const {
    std::error_code error;
    return fs::exists(root_ / name, error);
}

unsigned Store::next_staging() { return std::atomic_ref(staged_)++; }

Result<Staging> Store::stage() {
    fs::path path = root_ / fmt::format("{}{}-{}", kStagingPrefix, getpid(), next_staging());
    if (mkdir(path.c_str(), 0700) != 0)
        return system_error(fmt::format("create {}", path.native()));
    return Staging(std::move(path));
}

Result<void> Store::remove(const std::string& name) {
    // Renamed first: a reader sees a whole directory or none.
    fs::path aside = root_ / fmt::format("{}{}-{}", kStagingPrefix, getpid(), next_staging());
    if (rename((root_ / name).c_str(), aside.c_str()) != 0) {
        if (errno == ENOENT) return {};
        return system_error(fmt::format("remove {}", (root_ / name).native()));
    }
    return remove_pins(aside);
}

} // namespace bpfport
