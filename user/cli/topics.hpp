// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What holds for several commands: `bpfport help TOPIC` prints it, and the man pages have it.
#pragma once

#include <string>
#include <vector>

namespace bpfport {

struct Topic {
    std::string name;
    std::string summary;
    // Lines of at most 80 columns. An empty line parts paragraphs. Lines with two spaces before them
    // are examples when they are commands, else a list of "word  what it is", whose text may go on in lines
    // with more spaces.
    std::string text;
};

std::vector<Topic> topics();

// "bpfport help TOPIC explains: ...", for the end of bpfport --help.
std::string help_footer();

} // namespace bpfport
