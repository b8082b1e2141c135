// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the kernel holds of bpfport's: pins, programs, maps and links. Each net test ends by asking
// that it is empty again. All of it is the machine's, not a namespace's, so tests that load our
// programs hold KernelLock, one at a time; it is released however the test ends.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "harness/netns.hpp"

namespace bpfport::test {

class KernelLock {
  public:
    KernelLock(); // waits for the other tests; sweeps what dead ones left

  private:
    Fd lock_;
};

// One line for each thing: "pin /sys/fs/bpf/bpfport/tc-...", "program 17 bp_tc_in", "map 9
// bp_rules", "link 4 of bp_tc_in". Needs CAP_SYS_ADMIN.
struct KernelSnapshot {
    std::set<std::string> things;

    static KernelSnapshot take();
};

using NetnsList = std::vector<std::reference_wrapper<const Netns>>;

// Nothing of ours is left but what was there `before`. Waits up to two seconds, since the kernel
// frees programs and maps after a grace period. On failure, also shows the tc filters of the
// namespaces, since a filter keeps its program without any link.
testing::AssertionResult
expect_kernel_empty(const NetnsList& namespaces = {}, const KernelSnapshot& before = {},
                    std::chrono::milliseconds patience = std::chrono::seconds(2));

} // namespace bpfport::test
