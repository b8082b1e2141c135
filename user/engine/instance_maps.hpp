// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The maps that the objects of a network namespace share: which pin of the instance each one is.
#pragma once

#include <cstdint>
#include <filesystem>

#include <bpf/libbpf.h>

#include "base/error.hpp"

namespace bpfport {

// The pin's name (state/instance.hpp); nullptr: the map is the object's own, such as .rodata.
const char* instance_pin(const bpf_map* map);

// To be called between open and load: all shared maps of the object are those of the instance, but
// those that it has not, since an older version made it.
Result<void> use_instance_maps(bpf_object* object, const std::filesystem::path& instance);

// The shift that makes jiffies ticks of four to eight seconds (bp_tick_shift in bpf/lib/flows.h).
std::uint32_t tick_shift();

// After load: pins the shared ones that `directory` has not, which makes it an instance (to be).
Result<void> pin_instance_maps(bpf_object* object, const std::filesystem::path& directory);

} // namespace bpfport
