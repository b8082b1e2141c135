// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The process that holds a socket, for messages: "port 80 is taken by nginx (pid 812, user www-data)".
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace bpfport {

struct Process {
    pid_t pid = 0;
    std::string comm;
    uid_t uid = 0; // real uid
    pid_t parent = 0;

    [[nodiscard]] std::string to_string() const; // "nginx (pid 812, user root)"
};

// By socket inode, in one pass over /proc/PID/fd. A socket that several processes hold goes to the
// one with the lowest pid (a server's master rather than its workers). Those that nobody holds, or
// whose processes we may not look into, are absent: this is for messages and never fails.
std::unordered_map<std::uint32_t, Process> socket_owners(std::span<const std::uint32_t> inodes);

std::optional<Process> find_process(pid_t pid);
std::vector<pid_t> all_processes(); // in ascending order

// The words it was started with; empty when it has ended, or for a kernel thread.
using ProcessArguments = std::vector<std::string>;
ProcessArguments process_arguments(pid_t pid);

std::string user_name(uid_t uid); // "www-data", or the number when it has no name

// The parsers. "socket:[12345]" -> 12345.
std::optional<std::uint32_t> parse_socket_link(std::string_view link);
// /proc/PID/status -> comm, real uid and parent.
std::optional<Process> parse_process_status(std::string_view status);

} // namespace bpfport
