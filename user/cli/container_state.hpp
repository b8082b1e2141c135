// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// What a container runtime tells a hook on its standard input: the state of the OCI runtime
// specification, as far as we need it.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/error.hpp"

namespace bpfport {

// In bytes, as the name of the scope "container:ID" is kept with its attachment (bp_cgroup_meta).
inline constexpr std::size_t kLongestContainerId = 240;

struct ContainerState {
    std::string id;
    pid_t pid = 0;              // 0 once it has stopped
    std::string publish, grant; // annotations bpfport.publish and bpfport.grant
};

Result<ContainerState> parse_container_state(std::string_view json);

} // namespace bpfport
