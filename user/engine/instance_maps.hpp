// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The maps that the objects of a network namespace share: which pin of the instance each one is.
#pragma once

#include <fcntl.h>

#include <cstdint>
#include <filesystem>
#include <span>

#include <bpf/libbpf.h>

#include "base/error.hpp"
#include "state/instance.hpp"

namespace bpfport {

struct MapSizes {
    std::uint32_t hints = 65536;
    std::uint32_t udp_flows = 65536;
    std::uint32_t forward = 16384; // each of TCP and UDP
    TableCapacity table = {};
};

// Before load: the sizes of an object's own maps, from its skeleton's list of maps.
void size_maps(auto& maps, const MapSizes& sizes) {
    bpf_map__set_max_entries(maps.bp_rules, 2 * sizes.table.rules);
    bpf_map__set_value_size(maps.bp_spans, 2 * sizes.table.spans * sizeof(bp_span));
    bpf_map__set_max_entries(maps.bp_counters, sizes.table.rules);
    bpf_map__set_max_entries(maps.bp_hints, sizes.hints);
    bpf_map__set_max_entries(maps.bp_udp_flows, sizes.udp_flows);
    bpf_map__set_max_entries(maps.bp_last_local, sizes.udp_flows);
    bpf_map__set_max_entries(maps.bp_forward_tcp, sizes.forward);
    bpf_map__set_max_entries(maps.bp_forward_udp, sizes.forward);
}

// Creates and pins the shared maps that `directory` has not, which makes it an instance (to be). Maps of
// flows whose entries another build made otherwise are replaced. `sizes`: of those that are created.
Result<void> make_instance_maps(const std::filesystem::path& directory, const MapSizes& sizes);

// The pin's name (state/instance.hpp); nullptr: the map is the object's own, such as .rodata.
const char* instance_pin(const bpf_map* map);

// To be called between open and load: all shared maps of the object are those of the instance, but
// those that it has not, since an older version made it, and but those of these pins.
Result<void> use_instance_maps(bpf_object* object, const std::filesystem::path& instance,
                               std::span<const char* const> but = {});
// The same for an object with programs, which know the size of the rule table from then on.
template <typename Skeleton>
Result<void> use_instance(Skeleton& skeleton, const std::filesystem::path& instance) {
    if (auto used = use_instance_maps(skeleton.obj, instance); !used) return used;
    skeleton.rodata->bp_span_mask = static_cast<std::uint32_t>(
        bpf_map__value_size(skeleton.maps.bp_spans) / 2 / sizeof(bp_span) - 1);
    return {};
}

// Loads it over the instance's maps. The result is a descriptor of `program`, which is one of its programs.
template <typename Object>
Result<Fd> load_over(Object& object, const Instance& instance, const bpf_program* program) {
    BP_TRY(use_instance(*object, instance.path()), "load its program");
    if (auto loaded = object.load(); !loaded) return std::unexpected(loaded.error().error());
    Fd fd(fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 0));
    if (!fd) return system_error("copy a descriptor");
    return fd;
}

// Larger maps of the rule table in the place of the instance's, with the same content. The programs
// that are loaded read the old ones: nothing may be written to the table until they are replaced.
// Killed half-way, each of the maps is whole, the old one or the new one.
Result<void> enlarge_table(Store& store, const Instance& instance, const TableCapacity& capacity);

// The shift that makes jiffies ticks of four to eight seconds (bp_tick_shift in bpf/lib/flows.h).
std::uint32_t tick_shift();

// After load: pins the shared ones that `directory` has not, which makes it an instance (to be).
Result<void> pin_instance_maps(bpf_object* object, const std::filesystem::path& directory);

} // namespace bpfport
