// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// One row for each engine.
#include "engine/engines.hpp"

#include "engine/registry.hpp"

namespace bpfport {

std::span<const Engine* const> engines() {
    static const Engine* const rows[] = {
        &sklookup_engine(),
        &tc_engine(),
        &xdp_engine(),
        &cgroup_engine(),
    };
    return rows;
}

} // namespace bpfport
