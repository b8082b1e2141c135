// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The classes behind the rows of engine/engines.cpp.
#pragma once

#include "engine/contract.hpp"

namespace bpfport {

const Engine& sklookup_engine();
const Engine& tc_engine();
const Engine& xdp_engine();
const Engine& cgroup_engine();

} // namespace bpfport
