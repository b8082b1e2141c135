// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// `bpfport trace` in the background, from the moment it says that it traces.
#pragma once

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "harness/bpfport.hpp"
#include "harness/process.hpp"

namespace bpfport::test {

inline Process tracing(std::vector<std::string> arguments) {
    using namespace std::chrono_literals;
    Process process(bpfport_command(std::move(arguments)), {.timeout = 90s});
    const std::filesystem::path err = fmt::format("/proc/{}/fd/2", process.pid());
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (process.running() && std::chrono::steady_clock::now() < end) {
        std::error_code gone;
        // Its own, an unnamed file: until the child has put it there, it is the test's.
        if (std::filesystem::read_symlink(err, gone).native().starts_with("/memfd:")) {
            std::ifstream file(err);
            const std::string said{std::istreambuf_iterator<char>(file), {}};
            if (said.find("tracing;") != std::string::npos) return process;
        }
        std::this_thread::sleep_for(10ms);
    }
    throw std::runtime_error("bpfport trace did not start: " + process.stop().err);
}

} // namespace bpfport::test
