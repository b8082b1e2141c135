// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// How much of a thing, and how long it may take, by what the tests run on.
#pragma once

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace bpfport::test {

// Quick for every run, all of it with BPFPORT_SOAK=1, least with BPFPORT_SOAK=0, which the guests of vmtests have that are
// emulated: there it must show that it works. Without a least: it is cheap, or less would show nothing.
inline unsigned quick_or_full(unsigned quick, unsigned full, unsigned least = 0) {
    const char* said = std::getenv("BPFPORT_SOAK");
    const std::string soak = said != nullptr ? said : "";
    if (soak == "1") return full;
    return soak == "0" && least != 0 ? least : quick;
}

// By QEMU. What is measured as CPU time is wrong there.
inline bool is_emulated() {
    static const bool emulated = [] {
        std::ifstream file("/proc/cpuinfo");
        return std::string(std::istreambuf_iterator<char>(file), {}).find("QEMU TCG") !=
               std::string::npos;
    }();
    return emulated;
}

// More than the usual where the processor is emulated.
inline std::chrono::milliseconds in_time(std::chrono::milliseconds usual) {
    return is_emulated() ? 10 * usual : usual;
}

} // namespace bpfport::test
