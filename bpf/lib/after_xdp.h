/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * After XDP: where our XDP program runs, it sees every packet before tc does, and tc can't tell a
 * datagram that was redirected there from one that came straight to the target port. So XDP settles
 * those, and tc asks here whether it has. (A note in the frame's metadata would say more, but is lost
 * when somebody captures on the interface: a program that writes gets a copy of a shared packet, and
 * the copy has none. Seen on 6.18.)
 */
#ifndef BPFPORT_LIB_AFTER_XDP_H
#define BPFPORT_LIB_AFTER_XDP_H

#include "lib/packet.h"

/* Interfaces that run our XDP program, kept by the loader: in here before it is attached, and until
 * it has gone. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u32);
    __type(value, __u32);
} bp_xdp_devices SEC(".maps");

/* The shape that XDP looks at (parse_straight); a tag may have been taken off the frame since. */
static __always_inline bool is_straight(const struct packet* p)
{
    __u32 header = p->version == 4 ? 20 : 40;

    return !p->fragment && p->network == ETH_HEADER_LEN && p->transport == p->network + header;
}

static __always_inline bool seen_by_xdp(const struct packet* p, __u32 ifindex)
{
    return is_straight(p) && bpf_map_lookup_elem(&bp_xdp_devices, &ifindex);
}

#endif
