/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Told: connections whose own cgroup has a rule that decides what getsockname(2) says. A cgroup's
 * programs run before the root cgroup's, so this is how they tell those to leave the answer alone.
 * One map for all cgroups, in host/.
 */
#ifndef BPFPORT_LIB_TOLD_H
#define BPFPORT_LIB_TOLD_H

#include "lib/kernel.h"

struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, __u32);
} bp_sockname_set SEC(".maps");

#endif
