// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Collect: what `metrics` and the exporter put into their metrics, read from the store.
#pragma once

#include "state/store.hpp"
#include "stats/metrics.hpp"

namespace bpfport {

// Of the current network namespace: interfaces' and cgroups' rules.
Result<void> collect_netns(Metrics& metrics, const Store& store, const Metrics::Labels& place = {});
// Of the machine.
Result<void> collect_grants(Metrics& metrics, const Store& store);

} // namespace bpfport
