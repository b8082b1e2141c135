// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Prune: which of the rules and grants that no file has `apply` and `serve` remove: none, all, or those that an
// earlier policy of the same process had.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "rule/rule.hpp"
#include "state/policy.hpp"
#include "state/table.hpp"

namespace bpfport {

// By its network namespace (an inode, of a cgroup's rule the cookie; of a grant 0) and its text, which names the
// interface or cgroup by its number: one that is made again under the same name is another one.
using OwnedKey = std::pair<std::uint64_t, std::string>;
using OwnedKeys = std::set<OwnedKey>;

inline OwnedKey owned_key(std::uint64_t netns, const RuleSpec& rule) {
    return {netns, fmt::format("{} {}", rule.ifindex, rule.rule.to_string())};
}
inline OwnedKey owned_key(std::uint64_t cgroup, const PolicyRule& rule) {
    return {rule.netns_cookie, fmt::format("cgroup {} {}", cgroup, rule.rule.to_string())};
}
inline OwnedKey owned_key(std::uint64_t cgroup, const Grant& grant) {
    return {0, fmt::format("grant {} {}", cgroup, grant.to_string())};
}

class Prune {
  public:
    static Prune none() { return {}; }
    static Prune all() { return {kAll, nullptr}; }
    // `keys` outlives it.
    static Prune only(const OwnedKeys& keys) { return {kOwned, &keys}; }

    template <typename What> [[nodiscard]] bool takes(std::uint64_t where, const What& what) const {
        return which_ == kAll || (which_ == kOwned && keys_->contains(owned_key(where, what)));
    }

  private:
    enum Which { kNone, kAll, kOwned };
    Prune() = default;
    Prune(Which which, const OwnedKeys* keys) : which_(which), keys_(keys) {}
    Which which_ = kNone;
    const OwnedKeys* keys_ = nullptr;
};

} // namespace bpfport
