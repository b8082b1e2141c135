// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "kernel/grace_period.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace bpfport {

void wait_for_readers() {
    syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0); // synchronize_rcu()
}

} // namespace bpfport
