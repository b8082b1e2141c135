/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Sockname: sockets of which another program says what getsockname(2) tells. An object defines the map.
 */
#ifndef BPFPORT_LIB_SOCKNAME_H
#define BPFPORT_LIB_SOCKNAME_H

#include "lib/kernel.h"

struct sk_word_map {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, __u32);
};

/* Sockets whose own cgroup has a rule that decides what getsockname(2) says. A cgroup's program
 * runs before the root cgroup's, which then leaves the port alone. One map for all cgroups (host/
 * in the store). */
extern struct sk_word_map bp_sockname_set SEC(".maps");

#endif
