/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Lookup: what an sk_lookup program is asked about, as our flow key has it.
 */
#ifndef BPFPORT_LIB_LOOKUP_H
#define BPFPORT_LIB_LOOKUP_H

#include <linux/in.h>

#include "bpfport/table.h"
#include "lib/address.h"

const volatile __u32 bp_has_ifindex; /* the kernel tells the interface (5.17+) */

static __always_inline __u8 lookup_proto(const struct bpf_sk_lookup* ctx)
{
    return READ(ctx, protocol) == IPPROTO_UDP ? BP_UDP : BP_TCP;
}

/* The interface it came by; 0: the kernel does not tell. */
static __always_inline __u32 lookup_ifindex(const struct bpf_sk_lookup* ctx)
{
    return bp_has_ifindex ? READ(ctx, ingress_ifindex) : 0;
}

static __always_inline void lookup_addresses(const struct bpf_sk_lookup* ctx,
                                             struct bp_flow_key* key)
{
    if (READ(ctx, family) == FAMILY_V4) {
        map_v4(key->peer, READ(ctx, remote_ip4));
        map_v4(key->local, READ(ctx, local_ip4));
        return;
    }
    READ_ADDRESS(key->peer, ctx, remote_ip6);
    READ_ADDRESS(key->local, ctx, local_ip6);
}

#endif
