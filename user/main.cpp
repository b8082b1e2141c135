// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <iostream>

#include "cli/cli.hpp"

int main(int argc, char** argv) {
    return bpfport::run_command_line(argc, argv, std::cout, std::cerr);
}
