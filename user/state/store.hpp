// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Store: the directory in bpffs that holds all state, /sys/fs/bpf/bpfport.
//
//   netns-<inode>/           maps and programs of a network namespace: its instance
//   tc-<inode>-<ifindex>/    the hooks of one interface
//   staging-<pid>-<n>/       being built by a command
//
// Lock (state/store_lock.hpp): one command at a time changes things. Readers don't keep it: they look,
// and look again when a command changed something meanwhile.
// Invariants: a published directory is complete (it was renamed into place); whatever begins with
// "staging" while the lock is held for change was left by a command that died, and is removed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "state/directory.hpp"
#include "state/store_lock.hpp"

namespace bpfport {

inline constexpr const char* kDefaultRoot = "/sys/fs/bpf/bpfport";

// A directory being built. Removed with all its pins unless it was published.
class Staging {
  public:
    explicit Staging(std::filesystem::path path) : path_(std::move(path)) {}
    Staging(Staging&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    Staging& operator=(Staging&&) = delete;
    ~Staging();

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] Directory directory() const { return Directory(path_); }
    // Under this name beside it. The name must be free.
    Result<void> publish(const std::string& name);

  private:
    std::filesystem::path path_;
};

class Store {
  public:
    enum class Access { kRead, kChange };

    // kChange makes the directory when it is not there, and has it locked until the store's end.
    static Result<Store> open(std::filesystem::path root, Access access);
    Store(Store&&) = default;
    Store& operator=(Store&&) = default;
    ~Store();

    // What `look`, a function that gives a Result, reads while no command changes anything.
    template <typename Look> auto undisturbed(const Look& look) const -> decltype(look()) {
        if (locked_ || !directory_) return look();
        for (int looks = 0; looks < 3; looks++) {
            auto before = settled();
            if (!before) return std::unexpected(before.error());
            auto seen = look();
            if (store_stamp(directory_) == *before) return seen;
        }
        auto held = hold();
        if (!held) return std::unexpected(held.error());
        return look();
    }

    [[nodiscard]] const std::filesystem::path& root() const { return root_; }
    [[nodiscard]] std::vector<std::string> entries() const; // published ones, sorted
    [[nodiscard]] bool has(const std::string& name) const;
    [[nodiscard]] std::filesystem::path path(const std::string& name) const { return root_ / name; }

    Result<Staging> stage();
    Result<void> remove(const std::string& name); // success when it is gone already

  private:
    struct Unlock {
        void operator()(const Fd* directory) const { unlock_store(*directory); }
    };
    using Hold = std::unique_ptr<const Fd, Unlock>;

    Store(std::filesystem::path root, Fd directory)
        : root_(std::move(root)), directory_(std::move(directory)) {}
    [[nodiscard]] Result<Stamp> settled() const; // once no command is at work
    [[nodiscard]] Result<Hold> hold() const;

    std::filesystem::path root_;
    Fd directory_; // absent: there is no store
    bool locked_ = false;
    unsigned next_staging(); // threads stage at the same time
    unsigned staged_ = 0;
};

} // namespace bpfport
