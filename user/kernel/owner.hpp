// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Owner: a user, or a cgroup, that ports are kept for (--owner).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "kernel/cgroup.hpp"

namespace bpfport {

struct Owner {
    std::optional<uid_t> user; // else the cgroup
    CgroupRef cgroup;

    [[nodiscard]] std::string to_string() const; // user www-data, cgroup /web.slice
};

// A user's name or id, or cgroup:PATH and the other scopes of a cgroup.
Result<Owner> parse_owner(std::string_view text);

} // namespace bpfport
