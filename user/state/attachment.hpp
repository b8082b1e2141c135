// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Attachment: the hooks of one interface, tc-<netns inode>-<ifindex>/ in the store: pinned links
// `in` and `out` (tcx), or filters that `meta` names (clsact), and `xdp` in front of them when a
// rule of that engine covers the interface.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bpfport/meta.h"
#include "kernel/tc_hook.hpp"
#include "state/store.hpp"

namespace bpfport {

class Attachment {
  public:
    static Result<Attachment> open(const Store& store, const TcName& name);

    [[nodiscard]] const TcName& name() const { return name_; }
    [[nodiscard]] const bp_attachment_meta& meta() const { return meta_; }
    [[nodiscard]] std::string interface() const { return meta_.ifname; }

    // The id of the program that the kernel runs there now; 0: the hook is gone, with its interface
    // or by another's hand. clsact: asks in the current netns, so be in the attachment's.
    [[nodiscard]] std::uint32_t program(Direction direction) const;
    // Both tc hooks are in place.
    [[nodiscard]] bool alive() const;
    // The id of the XDP program that the kernel runs there now; 0: none.
    [[nodiscard]] std::uint32_t xdp_program() const;
    [[nodiscard]] const std::filesystem::path& path() const { return directory_.path(); }
    // Another meta from now on; this object keeps the one it has read.
    Result<void> write(const bp_attachment_meta& meta) const {
        return directory_.describe_anew(meta);
    }

    // Puts another program in place without a gap.
    Result<void> update(Direction direction, const Fd& program) const;
    // Takes the filters off (clsact; a link goes with its pin).
    Result<void> detach() const;

  private:
    Attachment(Directory directory, TcName name, bp_attachment_meta meta)
        : directory_(std::move(directory)), name_(name), meta_(meta) {}
    Directory directory_;
    TcName name_;
    bp_attachment_meta meta_;
};

// detach() from whatever netns the caller is in.
Result<void> detach_anywhere(const Attachment& attachment);

// All of a netns, or of every netns with 0.
std::vector<Attachment> attachments(const Store& store, std::uint64_t netns);

const char* link_pin(Direction direction); // of a tcx link
ClsactFilter clsact_filter(const bp_attachment_meta& meta, Direction direction);

// Sweeps what is dead, of every netns: attachments whose interface or netns is gone, and instances
// that have none left. To be called with the store open for change.
Result<void> sweep(Store& store);

} // namespace bpfport
