// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Runs another program and takes what it prints, in the current network namespace.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"

namespace bpfport {

// The standard output. Looked for in PATH and in the directories of system programs. Error code
// ENOENT: there is no such program; a status other than 0 is an error as well.
Result<std::string> run_program(const std::vector<std::string>& argv);

} // namespace bpfport
