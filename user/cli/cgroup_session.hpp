// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the commands about cgroups share: scopes looked up, engines opened, attachments named.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "cli/saving.hpp"
#include "cli/session.hpp"
#include "engine/cgroup_engine.hpp"
#include "engine/cgroup_plan.hpp"
#include "engine/guard.hpp"
#include "rule/scope.hpp"

namespace bpfport {

struct CgroupAttachOptions {
    std::vector<Scope> scopes; // all of cgroups
    CgroupRequest request;     // its cookie is filled in
    GuardRequest guard;
    bool explain = false;
};
Result<void> attach_to_cgroups(const Session& session, CgroupAttachOptions options, Saving& saving);

// The scopes' rules, or those named. Connections live on: there is nothing to drain.
Result<void> detach_from_cgroups(const Session& session, const std::vector<Scope>& scopes,
                                 const std::vector<Rule>& rules, Saving& saving);
// All rules of the current network namespace, on whatever cgroup.
Result<void> detach_cgroup_rules_here(Change& change);

// The scope under a name that stays valid: pid:12 becomes its cgroup's path.
std::string canonical_scope(const Scope& scope, const CgroupRef& cgroup);

// A scope with the cgroup that it was found to be.
struct FoundCgroup {
    Scope scope;
    CgroupRef cgroup;
    std::string name; // canonical_scope
};
// Each cgroup once, by the first scope that names it. Reads what runtimes note of their containers, so it
// comes before the store is locked.
Result<std::vector<FoundCgroup>> find_cgroups(const std::vector<Scope>& scopes);
// "unit:web is cgroup /system.slice/web.service\n"; empty: the scope's name is the cgroup's path.
std::string cgroup_line(const FoundCgroup& found);

Result<CgroupEngine> open_cgroup_engine(Store& store, const FoundCgroup& found);

// Changes a policy and says what to print once that is in force.
using EditedPolicy = Result<std::vector<std::string>>;
using EditPolicy = std::function<EditedPolicy(const FoundCgroup& found, PolicyContent& content)>;
// One change for all scopes: if one of them can't be changed, none is.
Result<void> change_cgroups(const Session& session, const std::vector<Scope>& scopes,
                            const EditPolicy& edit, Saving& saving);

// The network namespace's cookie, or why there is none.
Result<std::uint64_t> require_netns_cookie();

// The policies of all other cgroups than this one: those that are planned, else those in force.
std::vector<NamedPolicy> other_policies(const Store& store, std::uint64_t than,
                                        const std::vector<NamedPolicy>& planned = {});

// What is asked for on a cgroup that has no policy, in the current network namespace. Prints warnings.
Result<PolicyContent> plan_new_cgroup(const Session& session, const Store& store,
                                      CgroupRequest request, const NamedPolicy& own);

} // namespace bpfport
