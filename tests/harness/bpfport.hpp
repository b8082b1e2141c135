// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The real bpfport, run as a user runs it, with a state root of the test's own (sweep.hpp).
#pragma once

#include <string>
#include <vector>

#include "harness/process.hpp"

namespace bpfport::test {

// Mounts bpffs on /sys/fs/bpf when nobody has. Throws std::runtime_error when that is refused.
void require_bpffs();

// The path of the binary under test.
std::string bpfport_binary();

// `bpfport --state ROOT ARGUMENTS...`, as words.
std::vector<std::string> bpfport_command(std::vector<std::string> arguments);

// Runs it.
ProcessResult bpfport(std::vector<std::string> arguments, const ProcessOptions& options = {});

// With `--netns NAME` before the arguments.
ProcessResult bpfport(const Netns& netns, std::vector<std::string> arguments,
                      const ProcessOptions& options = {});

} // namespace bpfport::test
