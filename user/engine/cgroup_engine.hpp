// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The cgroup engine of one cgroup: brings the kernel to a given policy.
//
// apply() is the one way things change, as with NetnsRules. What is missing is made (the maps
// all cgroups share, the attachment, its links), then the policy is flipped, then what it needs no
// more goes. What all cgroups share is brought up to date by reconcile_cgroups(), which Change
// (engine/change.hpp) calls. Killed in between, the next command finishes the work.
#pragma once

#include <optional>
#include <string>

#include "base/error.hpp"
#include "kernel/cgroup.hpp"
#include "state/cgroup_attachment.hpp"
#include "state/policy.hpp"
#include "state/store.hpp"

namespace bpfport {

class CgroupEngine {
  public:
    // `scope`: as typed, for status. `flags`: BP_CGROUP_RUN; of one that is there already, nothing
    // changes. `store` outlives it and is open for change.
    static Result<CgroupEngine> open(Store& store, CgroupRef cgroup, std::string scope,
                                     std::uint32_t flags = 0);

    [[nodiscard]] const CgroupRef& cgroup() const { return cgroup_; }
    [[nodiscard]] const PolicyContent& content() const { return content_; }

    // Exactly this is in force afterwards. With none, no program of bpfport remains on this cgroup.
    Result<void> apply(PolicyContent content);

  private:
    CgroupEngine(Store& store, CgroupRef cgroup, std::string scope, std::uint32_t flags)
        : store_(&store), cgroup_(std::move(cgroup)), scope_(std::move(scope)), flags_(flags) {}
    Result<void> open_attachment();
    Result<void> make(PolicyContent& content);
    Result<void> upgrade();
    Result<void> unlink_unneeded(const PolicyContent& content) const;
    Result<void> change(PolicyContent& content);

    Store* store_;
    CgroupRef cgroup_;
    std::string scope_;
    std::uint32_t flags_;
    std::optional<CgroupAttachment> attachment_;
    PolicyContent content_;
};

// After changes: claims, the guard, and what no rule needs any more. Also the way to finish what a
// killed command has begun.
Result<void> reconcile_cgroups(Store& store);

} // namespace bpfport
