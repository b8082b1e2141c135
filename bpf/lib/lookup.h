/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Lookup: what an sk_lookup program is asked about, as our flow key has it.
 */
#ifndef BPFPORT_LIB_LOOKUP_H
#define BPFPORT_LIB_LOOKUP_H

#include "lib/address.h"

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
