// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Removes this test's state root when the test's process dies, at once and however it dies: for
// tests whose programs sit on the root cgroup, where the whole machine would run them until the
// next test sweeps.
#pragma once

#include <sys/types.h>

#include "base/fd.hpp"

namespace bpfport::test {

class Guardian {
  public:
    Guardian(); // throws std::runtime_error when it can't be forked
    Guardian(const Guardian&) = delete;
    Guardian& operator=(const Guardian&) = delete;
    ~Guardian(); // not needed any more

  private:
    Fd alive_; // the other end closes when this process dies
    pid_t guardian_ = -1;
};

} // namespace bpfport::test
