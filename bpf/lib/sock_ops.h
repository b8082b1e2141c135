/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Sock_ops: the addresses of a socket that a sockops program is called for.
 */
#ifndef BPFPORT_LIB_SOCK_OPS_H
#define BPFPORT_LIB_SOCK_OPS_H

#include "lib/address.h"
#include "lib/kernel.h"

static __always_inline void local_address(const struct bpf_sock_ops* ctx, __u8* address)
{
    if (READ(ctx, family) == FAMILY_V4) {
        map_v4(address, READ(ctx, local_ip4));
        return;
    }
    READ_ADDRESS(address, ctx, local_ip6);
}

static __always_inline void remote_address(const struct bpf_sock_ops* ctx, __u8* address)
{
    if (READ(ctx, family) == FAMILY_V4) {
        map_v4(address, READ(ctx, remote_ip4));
        return;
    }
    READ_ADDRESS(address, ctx, remote_ip6);
}

#endif
