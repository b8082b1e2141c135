// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Link: a program attached to a network device, network namespace or cgroup, beside the programs that
// others have there. It runs as long as a descriptor or a pin of the link exists. Whatever fails
// leaves the kernel as it was, but for the pin of a link that ran no program any more.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include <linux/bpf.h>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace bpfport {

// Attach types and flags that the header of Debian 12 does not have yet.
inline constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46); // BPF_TCX_INGRESS, 6.6
inline constexpr auto kTcxEgress = static_cast<bpf_attach_type>(47);
inline constexpr std::uint32_t kBefore = 1U << 3; // BPF_F_BEFORE: with no relative, the head
inline constexpr std::uint32_t kAfter = 1U << 4;  // BPF_F_AFTER: the tail

class Link {
  public:
    // `target` is an ifindex, or the descriptor of a network namespace or cgroup. The error begins with
    // "attach `what`: ".
    static Result<Link> create(const Fd& program, int target, bpf_attach_type type,
                               std::string_view what, std::uint32_t flags = 0);
    static Result<Link> open(const std::filesystem::path& pin);

    // A link that is pinned there and runs no program is replaced.
    [[nodiscard]] Result<void> pin(const std::filesystem::path& path) const;
    // Runs another program instead, without a gap.
    [[nodiscard]] Result<void> update(const Fd& program) const;
    // The id of the program that the kernel runs there; 0: the target is gone, or the link was detached.
    [[nodiscard]] std::uint32_t program() const;

  private:
    explicit Link(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

// program() of the link that is pinned there; 0 as well when no link is.
std::uint32_t linked_program(const std::filesystem::path& pin);
// update() of the link that is pinned there; nothing to do when it runs no program.
Result<void> update_link(const std::filesystem::path& pin, const Fd& program);

// A program and its link that are pinned in the same directory.
struct Hook {
    const char* program; // its pin
    const char* link;    // the link's pin
    bpf_attach_type type;
};
// Links the program to `target` unless its link runs.
Result<void> attach_hook(const std::filesystem::path& directory, const Hook& hook,
                         const Fd& target);
inline std::uint32_t linked_program(const std::filesystem::path& directory, const Hook& hook) {
    return linked_program(directory / hook.link);
}

} // namespace bpfport
