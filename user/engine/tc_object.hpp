// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The compiled tc programs: loaded, with their maps, and pinned into a directory.
//
// There are two objects from one source (bpf/lib/rewrite.h). The direct one needs kernel BTF and a
// kfunc of 6.2; where it does not load, the helper one does the same with more helper calls.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/error.hpp"
#include "engine/instance_maps.hpp"

namespace bpfport {

// kDirect and kHelper load that object or fail: for tests and measurements.
enum class TcObject { kBest, kDirect, kHelper };

// What lies before the IP header on a device.
enum class LinkLayer { kEthernet, kNone };

struct TcLoad {
    LinkLayer layer = LinkLayer::kEthernet; // whose programs
    MapSizes sizes = {};                    // of maps that are made
    std::filesystem::path keep_maps = {};   // a directory with pinned maps to use; empty: new ones
    TcObject choice = TcObject::kBest;
};

// Pins the programs and the maps that are made into `directory`. Whether they are of the direct object.
Result<bool> load_tc_object(const std::filesystem::path& directory, const TcLoad& what);

// Differs whenever the compiled programs do.
std::uint64_t tc_object_build();

} // namespace bpfport
