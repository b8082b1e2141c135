// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// HostPolicy: the rules and grants that a host's files ask for (docs/policy.md), with the place where
// each is written. The policy of one cgroup in the kernel is another thing: state/policy.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/source_place.hpp"
#include "rule/auto_target.hpp"
#include "rule/rule.hpp"
#include "rule/scope.hpp"
#include "state/policy.hpp"

namespace bpfport {

template <typename Value> struct Written {
    Value value;
    SourcePlace place;
};

// What holds for all rules of an entry: the options of attach, under their names.
struct EntryOptions {
    std::string engine = "auto";
    std::string on_absent = "reset";
    std::string xdp_mode = "native";
    std::string sockname = "target";
    std::string owner; // a user or a cgroup; empty: any
    std::string netns; // a name or a path; empty: that in which the command runs
    bool no_local = false;
    bool forwarded = false;
    bool vlan = false;
    bool exclusive = false;
    bool original_dst = false;
    bool force = false;
    bool reserve = false;
    bool required = false; // without its scope the policy is not applied at all

    bool operator==(const EntryOptions&) const = default;
};

// [[interface]] or [[cgroup]].
struct PolicyEntry {
    SourcePlace place;
    bool on_cgroup = false;
    EntryOptions options;
    std::vector<Written<Scope>> scopes;
    std::vector<Written<Rule>> rules;
    std::vector<Written<AutoRule>> autos; // 80:auto, of a cgroup
    std::vector<Written<Grant>> grants;   // likewise
};

// [host]: what holds for all.
struct HostOptions {
    std::string hook = "auto";
    std::uint32_t flows = 0; // 0: not said
    std::uint32_t hints = 0;
};

struct HostPolicy {
    HostOptions host;
    std::vector<PolicyEntry> entries;
};

} // namespace bpfport
