// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Whether this kernel takes the programs that are compiled in: each object is loaded and let go.
#pragma once

#include "doctor/finding.hpp"

namespace bpfport {

void check_objects(Findings& findings);

} // namespace bpfport
