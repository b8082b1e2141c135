// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Store: the directory in bpffs that holds all state, /sys/fs/bpf/bpfport.
//
//   netns-<inode>/           maps and programs of a network namespace: its instance
//   tc-<inode>-<ifindex>/    the hooks of one interface
//   staging-<pid>-<n>/       being built by a command
//
// Lock: flock on the directory. Readers share it, one command at a time changes things.
// Invariants: a published directory is complete (it was renamed into place); whatever begins with
// "staging" while the lock is held for change was left by a command that died, and is removed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"

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
    // Under this name beside it. The name must be free.
    Result<void> publish(const std::string& name);

  private:
    std::filesystem::path path_;
};

class Store {
  public:
    enum class Access { kRead, kChange };

    // kChange makes the directory when it is not there. Waits for other commands, but not forever.
    static Result<Store> open(std::filesystem::path root, Access access);

    [[nodiscard]] const std::filesystem::path& root() const { return root_; }
    [[nodiscard]] std::vector<std::string> entries() const; // published ones, sorted
    [[nodiscard]] bool has(const std::string& name) const;
    [[nodiscard]] std::filesystem::path path(const std::string& name) const { return root_ / name; }

    Result<Staging> stage();
    Result<void> remove(const std::string& name); // success when it is gone already

  private:
    Store(std::filesystem::path root, Fd lock) : root_(std::move(root)), lock_(std::move(lock)) {}
    std::filesystem::path root_;
    Fd lock_;
    unsigned staged_ = 0;
};

// Names of published directories.
std::string instance_name(std::uint64_t netns);
std::string tc_name(std::uint64_t netns, unsigned ifindex);
struct TcName {
    std::uint64_t netns = 0;
    unsigned ifindex = 0;
};
bool parse_instance_name(std::string_view name, std::uint64_t& netns);
bool parse_tc_name(std::string_view name, TcName& out);

} // namespace bpfport
