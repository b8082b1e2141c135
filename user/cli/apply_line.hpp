// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What `apply` changes, or would, a line for each rule, grant and guard.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace bpfport {

struct ApplyLine {
    enum class What {
        kAdded,
        kChanged,
        kRemoved,
        kRepaired, // as asked for, but not all of it was in force
        kSame,
        kLeft, // no file has it
    };
    What what;
    std::string text; // "80:3000 on eth0 (tc)"
};
using ApplyLines = std::vector<ApplyLine>;

struct ApplyWords {
    bool dry_run = false;
    std::size_t skipped = 0; // entries, of which warnings tell
};
// Of those that are the same the first; then how many there are of each.
void print_lines(std::ostream& out, const ApplyLines& lines, const ApplyWords& words);

std::string apply_word(ApplyLine::What what); // "added"

// Whether there is anything to do.
bool has_changes(const ApplyLines& lines);

} // namespace bpfport
