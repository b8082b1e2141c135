// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The sklookup engine of one network namespace, sklookup-<netns inode>/ in the store: its programs
// and the links `lookup_link` (to the netns), `listen_link`, and, where getsockname(2) is to say the
// target port, `name4_link` and `name6_link` (to the root cgroup).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <bpf/bpf.h>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpfport/meta.h"
#include "state/store.hpp"

namespace bpfport {

struct SocknameHook {
    const char* program; // its pin
    const char* link;
    bpf_attach_type type;
};
inline constexpr SocknameHook kSocknameHooks[] = {
    {"name4", "name4_link", BPF_CGROUP_INET4_GETSOCKNAME},
    {"name6", "name6_link", BPF_CGROUP_INET6_GETSOCKNAME}};

class SklookupAttachment {
  public:
    static Result<SklookupAttachment> open(const Store& store, std::uint64_t netns);

    [[nodiscard]] const std::filesystem::path& path() const { return directory_.path(); }
    [[nodiscard]] const bp_sklookup_meta& meta() const { return meta_; }
    [[nodiscard]] const Directory& directory() const { return directory_; }
    // The id of the program that a link runs now; 0: its netns or cgroup is gone, or another's hand
    // took it off.
    [[nodiscard]] std::uint32_t program(const char* link) const;
    [[nodiscard]] bool alive() const; // the links of lookup and listen run
    [[nodiscard]] bool sockname_alive() const;

    // Puts another program in place without a gap.
    Result<void> update(const char* link, const Fd& program) const;

  private:
    SklookupAttachment(Directory directory, bp_sklookup_meta meta)
        : directory_(std::move(directory)), meta_(meta) {}
    Directory directory_;
    bp_sklookup_meta meta_;
};

} // namespace bpfport
