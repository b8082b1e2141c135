// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Commands that are killed at their system calls, by strace: at those that change what outlives the command, which are
// pins, links, maps, directories, files, their times and what netlink sets.
#pragma once

#include <string>
#include <vector>

namespace bpfport::test {

struct Call {
    std::string name;    // "bpf"
    unsigned number = 0; // which of that name, of all that its process makes; from 1
    std::string text;    // as strace shows it
};

// A command that runs the other and writes its calls to the file; with a call, the process that makes it is killed before it
// does anything.
std::vector<std::string> traced(const std::vector<std::string>& command, const std::string& file);
std::vector<std::string> killed_at(const Call& call, const std::vector<std::string>& command);

// The calls in such a file that changed something, of the process that has most of them. To try what the kernel can do is no change.
std::vector<Call> changing_calls(const std::string& file);

// So many of them, spread evenly, the first and the last among them.
std::vector<Call> some_of(const std::vector<Call>& calls, std::size_t most);

} // namespace bpfport::test
