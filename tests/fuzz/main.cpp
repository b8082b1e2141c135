// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The entry point that libFuzzer calls; each target links it with a fuzz() of its own.
#include <cstddef>
#include <cstdint>

#include "fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    bpfport::fuzz(std::as_bytes(std::span(data, size)));
    return 0;
}
