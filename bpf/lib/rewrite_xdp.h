/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Rewrite for XDP, which can't see whether a checksum is partial: a packet of a veth peer or of a
 * virtual machine keeps CHECKSUM_PARTIAL through XDP_PASS, and its field then holds the
 * pseudo-header's sum, to which ports add nothing. Such a packet is known by exactly that: a field
 * equal to the pseudo-header's sum. One complete checksum in 65536 looks the same, so neither is
 * touched here; tc knows which it is. What GRO has merged is partial too, so with generic XDP the
 * super-packets go to tc as well, which counts their segments.
 */
#ifndef BPFPORT_LIB_REWRITE_XDP_H
#define BPFPORT_LIB_REWRITE_XDP_H

#include "lib/port.h"

static __always_inline __u16 fold(__u64 sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/* What a partial checksum's field holds. Mapping an IPv4 address to IPv6 adds 0xffff to the sum,
 * which is zero in ones' complement, so both families take one way. */
static __always_inline __u16 pseudo_sum(const struct bp_flow_key* key, __u8 protocol, __u32 length)
{
    const __u32* words = (const __u32*)key;
    __u64 sum = bpf_htonl(length) + (__u64)bpf_htonl(protocol);

    for (int i = 0; i < 8; i++) sum += words[i];
    return fold(sum);
}

/* Changes the port unless the checksum may be partial. False: the packet is as it was. */
static __always_inline bool rewrite_complete(__u8* header, const struct packet* p,
                                             const struct l4* l4, const struct bp_flow_key* key,
                                             const struct port_change* change)
{
    if (*(__u16*)(header + l4->checksum) == pseudo_sum(key, p->protocol, p->claimed)) return false;
    *(__be16*)(header + change->port) = change->to;
    update_checksum(header, l4, change);
    return true;
}

#endif
