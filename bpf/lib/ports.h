/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Ports: the first and nearly always last question of a program on the root cgroup, answered by one
 * load: may this port be meant?
 */
#ifndef BPFPORT_LIB_PORTS_H
#define BPFPORT_LIB_PORTS_H

#include "bpfport/root_cgroup.h"
#include "lib/sockaddr.h"

struct bp_port_bitmap bp_port_bitmap SEC(".data.bitmap");

static __always_inline bool port_is_known(const struct call* call)
{
    __u32 port = bounded(call->port, 0xffff);

    return bp_port_bitmap.bits[bounded(call->proto, 1)][port >> 6] & (1ULL << (port & 63));
}

#endif
