/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Port: changes one port in a header that lies in memory, and its checksum by the difference. For
 * packets whose checksum is complete; who can't know that must ask first (rewrite.h, rewrite_xdp.h).
 */
#ifndef BPFPORT_LIB_PORT_H
#define BPFPORT_LIB_PORT_H

#include "lib/l4.h"

/* RFC 1624, equation 3: the checksum after one 16-bit word changed. */
static __always_inline __u16 checksum_after(__u16 checksum, __u16 from, __u16 to)
{
    __u32 sum = (__u16)~checksum + (__u16)~from + to;

    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

/* A port to be changed and where it stands. */
struct port_change {
    __u32 transport; /* offset of the header */
    __u32 port;      /* SOURCE_PORT or DESTINATION_PORT */
    __be16 from;
    __be16 to;
};

/* The checksum of a header whose port has changed. A zero that means none stays zero. */
static __always_inline void update_checksum(__u8* header, const struct l4* l4,
                                            const struct port_change* change)
{
    __u16* checksum = (__u16*)(header + l4->checksum);
    __u16 old = *checksum;

    if (l4->zero_is_none) {
        if (!old) return;
        old = checksum_after(old, change->from, change->to);
        *checksum = old ? old : 0xffff;
    } else {
        *checksum = checksum_after(old, change->from, change->to);
    }
}

#endif
