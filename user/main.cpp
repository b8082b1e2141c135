// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <exception>
#include <iostream>

#include "cli/cli.hpp"

// Errors are values (base/error.hpp): what is thrown as far as here was not expected by anyone.
int main(int argc, char** argv) {
    try {
        return bpfport::run_command_line(argc, argv, std::cin, std::cout, std::cerr);
    } catch (const std::exception& error) {
        return bpfport::report_fault(std::cerr, error.what());
    } catch (...) {
        return bpfport::report_fault(std::cerr, "an unknown exception");
    }
}
