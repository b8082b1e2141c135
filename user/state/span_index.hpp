// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The index of a long list of spans (BP_SPAN_INDEXED in bpfport/table.h).
#pragma once

#include <cstdint>
#include <vector>

#include "bpfport/table.h"

namespace bpfport {

// Appends an index of the list of `length` spans from `at` on, which are the last ones. False: it is short, and has
// none.
bool append_index(std::vector<bp_span>& spans, std::uint32_t at, std::uint32_t length);

} // namespace bpfport
