// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Run by the build, and not installed: bpfport_manual DIRECTORY VERSION [DATE]
#include <cstdio>

#include "manual/manual.hpp"

int main(int argc, char** argv) {
    if (argc < 3) return 2;
    auto written = bpfport::write_manual(argv[1], {argv[2], argc > 3 ? argv[3] : ""});
    if (written) return 0;
    std::fprintf(stderr, "bpfport_manual: %s\n", written.error().message.c_str());
    return 1;
}
