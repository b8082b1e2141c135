// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The guard: ports that only their owner may bind, so that nobody receives the traffic of a service
// that is down (--owner), and listen ports that no process may bind (--reserve).
//
// A guard is for the rule that it was asked for with: put in place before the rule, and taken away
// when no rule of its network namespace, of whatever engine, has the port any more.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "bpfport/root_cgroup.h"
#include "engine/plan.hpp"
#include "kernel/owner.hpp"
#include "rule/rule.hpp"
#include "state/store.hpp"

namespace bpfport {

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

    [[nodiscard]] std::optional<Owner> owner() const; // nullopt: nobody, or a cgroup that is gone
    [[nodiscard]] std::string port_text() const;      // 3000, 53/udp
    [[nodiscard]] std::string owner_text() const;     // user www-data, cgroup:/web.slice, nobody
};

// The rules that guards are for, of the current network namespace.
struct GuardedRules {
    std::vector<Rule> rules;
    std::vector<std::pair<Rule, Rule>> replaced; // before, after: another target

    // Those that a plan adds, keeps or changes: of interfaces, or of a cgroup.
    template <typename RuleType> void add(const RuleChanges<RuleType>& plan) {
        plan.each_wanted([&](const RuleType& rule) { rules.push_back(rule.rule); });
        for (const auto& [before, after] : plan.replaced)
            replaced.emplace_back(before.rule, after.rule);
    }
};

// Checks all (guard_check.hpp), then guards what is requested; what guarded the target of a rule that
// is replaced guards the new one as well. Overwrites guards that are there. On error they are as
// before.
Result<void> put_guards(Store& store, const GuardRequest& request, const GuardedRules& rules,
                        const HostFacts& facts);

// Those that put_guards() would put.
Result<std::vector<Guard>> requested_guards(const GuardRequest& request,
                                            const std::vector<Rule>& rules);
// The same of the same port, however many binds it has denied.
bool same_guard(const Guard& left, const Guard& right);
// Exactly these, of all network namespaces: what guards() said before a command that failed, or some of
// it. Nothing is checked.
Result<void> set_guards(Store& store, const std::vector<Guard>& wanted);

// Takes away guards without a rule, and the guard itself with the last.
Result<void> reconcile_guards(Store& store);

// Of all network namespaces.
std::vector<Guard> guards(const Store& store);

} // namespace bpfport
