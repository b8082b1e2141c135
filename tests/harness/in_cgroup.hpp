// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Puts this process into a cgroup until scope end. A socket belongs to the cgroup that it was made
// in, so what is made meanwhile stays that cgroup's.
#pragma once

#include "harness/cgroup.hpp"

namespace bpfport::test {

class InCgroup {
  public:
    explicit InCgroup(const Cgroup& cgroup); // throws std::runtime_error when it can't
    InCgroup(const InCgroup&) = delete;
    InCgroup& operator=(const InCgroup&) = delete;
    ~InCgroup();

  private:
    std::string before_;
};

} // namespace bpfport::test
