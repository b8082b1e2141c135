// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the kernel holds of bpfport's: entries of the test's state root, and programs (bp_*) on the
// hooks of the test's namespaces and cgroups. Each net test ends by asking that nothing is left.
// Nothing of the machine's or of other tests' is looked at, so tests can run side by side.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "harness/cgroup.hpp"
#include "harness/netns.hpp"

namespace bpfport::test {

using NetnsList = std::vector<std::reference_wrapper<const Netns>>;
using CgroupList = std::vector<std::reference_wrapper<const Cgroup>>;

// One line for each thing: "pin .../tc-...", "tcx ingress of eth0 in bpt-1-2: bp_tc_in".
std::vector<std::string> kernel_holds(const NetnsList& namespaces, const CgroupList& cgroups = {});

// That is nothing. Waits up to two seconds, since the kernel may let go of a link a little later.
testing::AssertionResult
expect_kernel_empty(const NetnsList& namespaces = {}, const CgroupList& cgroups = {},
                    std::chrono::milliseconds patience = std::chrono::seconds(2));

} // namespace bpfport::test
