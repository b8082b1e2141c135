// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The real bpfport, run as a user runs it.
#pragma once

#include <string>
#include <vector>

#include "harness/process.hpp"

namespace bpfport::test {

// Mounts bpffs on /sys/fs/bpf when nobody has. Throws std::runtime_error when that is refused.
void require_bpffs();

// The path of the binary under test.
std::string bpfport_binary();

// `bpfport ARGUMENTS...`
ProcessResult bpfport(std::vector<std::string> arguments, const ProcessOptions& options = {});

// `bpfport --netns NAME ARGUMENTS...`
ProcessResult bpfport(const Netns& netns, std::vector<std::string> arguments,
                      const ProcessOptions& options = {});

} // namespace bpfport::test
