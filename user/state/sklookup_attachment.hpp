// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The sklookup engine of one network namespace, sklookup-<netns inode>/ in the store: its programs
// and the links `lookup_link` (to the netns), `listen_link`, and, where getsockname(2) is to say the
// target port, `name4_link` and `name6_link` (to the root cgroup).
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/error.hpp"
#include "bpfport/meta.h"
#include "kernel/link.hpp"
#include "state/store.hpp"

namespace bpfport {

inline constexpr Hook kLookupHook{"lookup", "lookup_link", BPF_SK_LOOKUP};
inline constexpr Hook kListenHook{"listen", "listen_link", BPF_CGROUP_SOCK_OPS};
inline constexpr Hook kSocknameHooks[] = {{"name4", "name4_link", BPF_CGROUP_INET4_GETSOCKNAME},
                                          {"name6", "name6_link", BPF_CGROUP_INET6_GETSOCKNAME}};

class SklookupAttachment {
  public:
    static Result<SklookupAttachment> open(const Store& store, std::uint64_t netns);

    [[nodiscard]] const std::filesystem::path& path() const { return directory_.path(); }
    [[nodiscard]] const bp_sklookup_meta& meta() const { return meta_; }
    [[nodiscard]] const Directory& directory() const { return directory_; }
    [[nodiscard]] bool alive() const; // the links of lookup and listen run
    [[nodiscard]] bool sockname_alive() const;

  private:
    SklookupAttachment(Directory directory, bp_sklookup_meta meta)
        : directory_(std::move(directory)), meta_(meta) {}
    Directory directory_;
    bp_sklookup_meta meta_;
};

} // namespace bpfport
