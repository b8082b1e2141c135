// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What the running exporters may still do, asked of the kernel: an exporter that answers the network
// must hold nothing, the one that collects for it only what reading the maps needs.
#pragma once

#include "doctor/finding.hpp"

namespace bpfport {

// One finding for each process of `bpfport exporter` on this host; none when none runs.
void check_exporters(Findings& findings);

} // namespace bpfport
