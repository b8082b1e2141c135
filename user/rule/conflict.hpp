// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Which rules can't hold together in one network namespace. Pure functions over values: nothing is
// asked of the kernel here.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "rule/rule.hpp"

namespace bpfport {

// A rule and where it holds.
struct PlacedRule {
    Rule rule;
    unsigned ifindex = 0; // 0: every interface
    bool no_local = false;
    std::string scope_name; // for messages: eth0, any

    // 127.0.0.1 and ::1 belong to no rule's interface; every rule that serves local clients claims
    // them.
    [[nodiscard]] bool serves_loopback() const;

    [[nodiscard]] std::string to_string() const; // "80:3000 on eth0"
};

// The most specific rule wins: by interface (one before any), then by local prefix (the longest), then
// by clients (ClientSet::ties_with), then by listen ports (the range that lies within the other). Refused, with both rules named, among `added`
// and between `added` and `existing`:
//   - two targets for one listen port where none of that tells them apart;
//   - a target that is the listen port of a rule (its own included) for an overlapping address;
//   - rules of different interfaces that send 127.0.0.1's listen port to different targets, if their
//     prefix and range don't tell them apart either: the loopback device has no interface of theirs
//     (--no-local takes one out).
//   - rules that share by weight, if find_share_conflict() finds one.
// Rules that agree (the same listen port to the same target) never conflict, whatever overlaps.
Result<void> check_conflicts(std::span<const PlacedRule> existing,
                             std::span<const PlacedRule> added);
// The same without that: what two rules alone refuse, whatever others there are.
Result<void> check_pairs(std::span<const PlacedRule> existing, std::span<const PlacedRule> added);

struct Warning {
    std::string message;
    std::string hint;
};

// Ports of `added` that the kernel may hand out as source ports of outgoing connections
// (`ephemeral`, less `reserved`): one warning for all, its hint the sysctl command that keeps what
// is reserved.
std::vector<Warning> warnings(std::span<const PlacedRule> added, PortRange ephemeral,
                              const PortList& reserved);

} // namespace bpfport
