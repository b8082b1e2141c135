// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// The cgroups of `bpfport run`, named after the process that made them: bpfport-run-PID, in a container with
// process ids of its own bpfport-run-PID-NAMESPACE. An empty one whose process is gone is nobody's, also when
// that died before it had a policy.
#pragma once

#include <sys/types.h>

#include <string>

namespace bpfport {

std::string run_cgroup_name(pid_t pid);

// Of the whole hierarchy. A process that makes one is inside before it ends, or dead.
void remove_abandoned_run_cgroups();

} // namespace bpfport
