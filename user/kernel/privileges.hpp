// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Giving up what a long-running process does not need. One way only: afterwards neither exec of a
// set-user-id program nor of anything else brings it back. To be called with one thread, since
// capabilities belong to threads.
#pragma once

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "kernel/capabilities.hpp"

namespace bpfport {

struct User {
    std::string name;
    uid_t uid = 0;
    gid_t gid = 0;
};
Result<User> find_user(const std::string& name);

// What no file that is executed can give. Needs CAP_SETPCAP.
Result<void> empty_bounding_set();

// Nothing but these capabilities remains (those of them that this kernel knows and we have), and no
// group but the user's.
Result<void> keep_only(std::span<const cap_value_t> capabilities, const User& user);

struct Privileges {
    std::string user;
    std::vector<std::string> capabilities; // permitted: "CAP_BPF"

    [[nodiscard]] std::string to_string() const; // "user nobody, no capabilities"
};
// Asked of the kernel; nothing when the process has ended.
std::optional<Privileges> privileges_of(pid_t pid);

// Of this process, in words.
std::string describe_privileges();

} // namespace bpfport
