// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// How much of a thing: little for every run, all of it with BPFPORT_SOAK=1.
#pragma once

#include <cstdlib>

namespace bpfport::test {

inline unsigned quick_or_full(unsigned quick, unsigned full) {
    const char* soak = std::getenv("BPFPORT_SOAK");
    return soak && *soak == '1' ? full : quick;
}

} // namespace bpfport::test
