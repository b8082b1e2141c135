// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Policy: a cgroup's rules and grants in kernel memory (bpfport/policy.h), read back as values and
// replaced as a whole. The programs see the old content or the new one, never a mixture.
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpfport/policy.h"
#include "kernel/map.hpp"
#include "rule/rule.hpp"

namespace bpfport {

inline constexpr unsigned kNoPlace = ~0U;

struct PolicyRule {
    Rule rule;
    std::uint64_t netns_cookie = 0;
    std::uint8_t flags = 0;    // BP_POLICY_NO_LOCAL, BP_POLICY_AUTO
    unsigned place = kNoPlace; // its counters' too; given by Policy::replace()

    [[nodiscard]] bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
};

struct Grant {
    PortRange ports;
    Protocol protocol = Protocol::kTcp;
    unsigned place = kNoPlace; // likewise; its counters are at BP_POLICY_RULES + place

    [[nodiscard]] bool same(const Grant& other) const {
        return ports == other.ports && protocol == other.protocol;
    }
    [[nodiscard]] std::string to_string() const; // 80, 8000-8010/udp
};

// "80", "80/udp", "8000-8010/tcp+udp" (which is two), "80,443".
Result<std::vector<Grant>> parse_grants(std::string_view text);

struct PolicyContent {
    std::vector<PolicyRule> rules;
    std::vector<Grant> grants;

    [[nodiscard]] bool empty() const { return rules.empty() && grants.empty(); }
    // Whether connects are to be looked at.
    [[nodiscard]] bool has_local_clients() const;
};

class Policy {
  public:
    static Result<Policy> open(const Fd& map, bool writable);

    [[nodiscard]] PolicyContent content() const;
    // Gives places to what has none: the lowest free ones. Says which, since their counters may
    // still hold what an earlier rule counted.
    Result<std::vector<std::uint32_t>> replace(PolicyContent& content, std::uint64_t cgroup);

  private:
    explicit Policy(Mapped<bp_policy> policy) : policy_(std::move(policy)) {}
    Mapped<bp_policy> policy_;
};

} // namespace bpfport
