// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The guard: ports that only their owner may bind, so that nobody receives the traffic of a service
// that is down (--owner), and listen ports that nobody may bind (--reserve).
//
// A guard is for the rule that it was asked for with: put in place before the rule, and taken away
// when no rule of its network namespace, of whatever engine, has the port any more.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "bpfport/neighbours.h"
#include "engine/plan.hpp"
#include "kernel/cgroup.hpp"
#include "rule/rule.hpp"
#include "state/store.hpp"

namespace bpfport {

struct Owner {
    std::optional<uid_t> user; // else the cgroup
    CgroupRef cgroup;

    [[nodiscard]] std::string to_string() const; // user www-data, cgroup /web.slice
};
// A user's name or id, or cgroup:PATH and the other scopes of a cgroup.
Result<Owner> parse_owner(std::string_view text);

struct GuardRequest {
    std::optional<Owner> owner; // of the target ports
    bool reserve = false;       // the listen ports

    [[nodiscard]] bool empty() const { return !owner && !reserve; }
};

struct Guard {
    std::uint64_t netns_cookie = 0;
    std::uint16_t port = 0;
    Protocol protocol = Protocol::kTcp;
    bp_guard entry{};

    [[nodiscard]] std::string port_text() const;  // 3000, 53/udp
    [[nodiscard]] std::string owner_text() const; // user www-data, cgroup:/web.slice, nobody
};

// For rules of the current network namespace (see guard_check.hpp first). Overwrites those that are
// there. On error they are as before.
Result<void> add_guards(Store& store, const GuardRequest& request, const std::vector<Rule>& rules);

// The guards of the first rule's target hold for the second's as well: its target was changed.
Result<void> move_guards(Store& store, const Rule& before, const Rule& after);

// Takes away guards without a rule, and the guard itself with the last.
Result<void> reconcile_guards(Store& store);

// Of all network namespaces.
std::vector<Guard> guards(const Store& store);

} // namespace bpfport
