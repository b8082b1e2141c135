// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// CgroupPlan: what attaching rules to cgroups, or detaching them, would change, checked before
// anything is. Pure: the facts of the host come in as values.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "engine/plan.hpp"
#include "kernel/cgroup.hpp"
#include "rule/auto_target.hpp"
#include "state/policy.hpp"

namespace bpfport {

struct CgroupRequest {
    std::vector<Rule> rules;
    std::vector<AutoRule> autos;
    std::uint64_t netns_cookie = 0;
    PortList avoid; // for automatic targets: those of other engines' rules
    bool no_local = false;
    bool force = false;   // although another program listens, or another cgroup has the target
    bool replace = false; // the listen ports may have another target now
};

// A cgroup's policy and how messages call it.
struct NamedPolicy {
    std::string scope; // cgroup:/web.slice
    std::uint64_t cgroup = 0;
    PolicyContent content;
};

// Whether both are for the same ports and addresses: one rule, perhaps with another target.
bool same_listen(const PolicyRule& left, const PolicyRule& right);
bool same_listen(const AutoRule& left, const Rule& right);

// As of RuleSpec (theft.hpp): local clients of the socket, which listens on the rule's port, would no longer
// reach it.
bool takes_from(const PolicyRule& rule, const Socket& socket);
const char* theft_remedy(const PolicyRule& rule, const Socket& robbed);

using CgroupPlan = RuleChanges<PolicyRule>;

// `others`: the policies of all other cgroups.
Result<CgroupPlan> plan_cgroup_attach(const CgroupRequest& request, const NamedPolicy& own,
                                      const std::vector<NamedPolicy>& others,
                                      const HostFacts& facts);

} // namespace bpfport
