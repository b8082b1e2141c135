// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The reaper of `bpfport run`: a small detached process that waits until the last process of a
// cgroup has ended, and then takes the cgroup and its policy away. If it is killed too, the next
// bpfport command does it (sweep_cgroups()).
#pragma once

#include <filesystem>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace bpfport {

// The caller's end of a pipe: while it is open, the reaper waits. It closes on exec or death, and
// so the reaper needs no word that all went well or that nothing did.
class Reaper {
  public:
    // Forks. To be called before any lock is taken: a child would hold it.
    static Result<Reaper> start(const std::filesystem::path& root);

    // Which cgroup it is about. To be called before that is made.
    Result<void> watch(const std::filesystem::path& cgroup) const;

  private:
    explicit Reaper(Fd pipe) : pipe_(std::move(pipe)) {}
    Fd pipe_;
};

} // namespace bpfport
