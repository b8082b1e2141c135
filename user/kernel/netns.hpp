// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Network namespaces: naming one, opening it, being in it. Only CLONE_NEWNET is switched, never the
// mounts: `ip netns exec` hides bpffs behind a private mount, in which pins die with the command.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace bpfport {

struct NetnsRef {
    std::string text; // as written
    std::string path; // /run/netns/NAME, the path itself, or /proc/PID/ns/net
};

// NAME (of `ip netns`), PATH (has a '/') or PID (digits only; a namespace called "12" is written
// /run/netns/12).
Result<NetnsRef> parse_netns(std::string_view text);

// The handle is known to be of a network namespace.
Result<Fd> open_netns(const NetnsRef& ref);
Result<Fd> open_current_netns();

// The calling thread moves; a process with one thread moves as a whole. No privilege is needed to stay.
Result<void> enter_netns(const Fd& netns);

Result<std::uint64_t> netns_inode(const Fd& netns);
Result<std::uint64_t> current_netns_inode();

// What bpf_get_netns_cookie() returns in programs; never used twice, as inodes are. 0 when it can't
// be learnt; before 5.14 that needs the privileges to load a program.
std::uint64_t current_netns_cookie();

// A handle on the namespace with this inode, found by its processes (/proc/PID/ns/net) or its bind
// mounts (/run/netns/NAME and wherever else this mount namespace shows one).
Result<Fd> find_netns(std::uint64_t inode);

// The inodes of all that find_netns() finds.
std::set<std::uint64_t> all_netns();

// The calling thread is in `netns` while this lives, and back where it was afterwards. A thread
// that can't be brought back would go on in the wrong namespace, so then the process ends.
class ScopedNetns {
  public:
    static Result<ScopedNetns> enter(const Fd& netns);
    ScopedNetns(ScopedNetns&&) noexcept = default;
    ScopedNetns& operator=(ScopedNetns&&) = delete;
    ~ScopedNetns();

  private:
    explicit ScopedNetns(Fd previous) : previous_(std::move(previous)) {}
    Fd previous_;
};

// The parsers. "net:[4026531840]" -> 4026531840.
std::optional<std::uint64_t> parse_netns_link(std::string_view link);
// /proc/self/mountinfo -> mount point of the namespace with this inode.
std::optional<std::string> find_netns_mount(std::string_view mountinfo, std::uint64_t inode);
// ... -> the inodes of all namespaces that are mounted.
std::set<std::uint64_t> mounted_netns(std::string_view mountinfo);

} // namespace bpfport
