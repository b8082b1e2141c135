// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The command line. Everything outside is a value handed in, so that a test can call the real
// command in-process.
#pragma once

#include <iosfwd>

namespace bpfport {

// Exit status: 0 done, 1 the system refused, 2 the words typed were wrong.
int run_command_line(int argc, const char* const* argv, std::istream& in, std::ostream& out,
                     std::ostream& err);

// For what was thrown and not caught, which is a fault of ours: says so. The exit status.
int report_fault(std::ostream& err, const char* what);

} // namespace bpfport
