// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Whether the kernel takes our objects: each is loaded with maps of its own, and nothing is kept.
#pragma once

#include <functional>
#include <string>

#include "kernel/object.hpp"

namespace bpfport {

// Called with the name of each and how its load ended.
using ObjectTrial = std::function<void(const std::string& name, const Loaded& loaded)>;

void try_tc_objects(const ObjectTrial& trial); // both: the direct one and the one with helpers
void try_xdp_object(const ObjectTrial& trial);
void try_sklookup_object(const ObjectTrial& trial);
void try_cgroup_objects(const ObjectTrial& trial); // cgroup, neighbours, guard

template <typename Skeleton>
void try_object(const ObjectTrial& trial, const Result<Object<Skeleton>>& object) {
    if (object) trial(object_name(*(*object)->skeleton), object->load());
}

} // namespace bpfport
