// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// CgroupAttachment: one cgroup's policy and the programs that carry it out, cgroup-<id>/ in the
// store: maps, programs, and a link pinned for each hook that is in use.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "bpfport/policy.h"
#include "kernel/cgroup.hpp"
#include "kernel/link.hpp"
#include "state/policy.hpp"
#include "state/store.hpp"

namespace bpfport {

struct CgroupHook : Hook {
    bool for_clients; // only while a rule has local clients
    bool for_rules;   // only while there is a rule

    [[nodiscard]] bool needed_by(const PolicyContent& content) const;
};
// In the order in which they are put in place: a bind is rewritten only once it is answered for.
inline constexpr std::array<CgroupHook, 10> kCgroupHooks{{
    {{"sockname4", "link_sockname4", BPF_CGROUP_INET4_GETSOCKNAME}, false, true},
    {{"sockname6", "link_sockname6", BPF_CGROUP_INET6_GETSOCKNAME}, false, true},
    {{"connect4", "link_connect4", BPF_CGROUP_INET4_CONNECT}, true, true},
    {{"connect6", "link_connect6", BPF_CGROUP_INET6_CONNECT}, true, true},
    {{"sendmsg4", "link_sendmsg4", BPF_CGROUP_UDP4_SENDMSG}, true, true},
    {{"sendmsg6", "link_sendmsg6", BPF_CGROUP_UDP6_SENDMSG}, true, true},
    {{"post_bind4", "link_post_bind4", BPF_CGROUP_INET4_POST_BIND}, false, false},
    {{"post_bind6", "link_post_bind6", BPF_CGROUP_INET6_POST_BIND}, false, false},
    {{"bind4", "link_bind4", BPF_CGROUP_INET4_BIND}, false, false},
    {{"bind6", "link_bind6", BPF_CGROUP_INET6_BIND}, false, false},
}};

class CgroupAttachment {
  public:
    // Refuses one that a version with another ABI wrote.
    static Result<CgroupAttachment> open(const Store& store, std::uint64_t cgroup,
                                         Store::Access access);

    [[nodiscard]] const bp_cgroup_meta& meta() const { return meta_; }
    [[nodiscard]] std::string name() const { return cgroup_attachment_name(meta_.cgroup); }
    [[nodiscard]] std::string scope() const { return meta_.scope; }
    [[nodiscard]] bool is_run() const { return (meta_.flags & BP_CGROUP_RUN) != 0; }
    [[nodiscard]] CgroupRef cgroup() const; // where it was; it may be gone
    [[nodiscard]] const Directory& directory() const { return directory_; }
    [[nodiscard]] const std::filesystem::path& path() const { return directory_.path(); }
    [[nodiscard]] const Policy& policy() const { return policy_; }
    [[nodiscard]] Policy& policy() { return policy_; }
    [[nodiscard]] PolicyContent content() const { return policy_.content(); }

    // Every hook that the policy needs is in place.
    [[nodiscard]] bool complete() const;
    // A hook runs its program. They do for a while after the cgroup is removed: as long as a socket of it lives.
    [[nodiscard]] bool alive() const;

  private:
    CgroupAttachment(Directory directory, bp_cgroup_meta meta, Policy policy)
        : directory_(std::move(directory)), meta_(meta), policy_(std::move(policy)) {}
    Directory directory_;
    bp_cgroup_meta meta_;
    Policy policy_;
};

// All of the store; what can't be opened is left out, and whose cgroup is removed.
std::vector<CgroupAttachment> cgroup_attachments(const Store& store, Store::Access access);

// Removes attachments whose cgroup is gone, and the cgroups of `bpfport run` that are empty, with
// their attachments. To be called with the store open for change.
Result<void> sweep_cgroups(Store& store);

} // namespace bpfport
