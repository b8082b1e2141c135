/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Steered: what a listener and its connections carry, so that a connection that was steered is told
 * from one that came to the target port, and getsockname(2) can say the target port of it.
 */
#ifndef BPFPORT_LIB_STEERED_H
#define BPFPORT_LIB_STEERED_H

#include "lib/kernel.h"
#include "lib/told.h"

/* The port that the listener listens on; its connections inherit the value. One whose own port
 * differs was steered. */
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
    __type(key, int);
    __type(value, __u32);
} bp_steered SEC(".maps");

#define STEERED_PORT 0xffff
#define STEERED_NAME 0x10000 /* a connection whose getsockname(2) says that port */

static __always_inline void mark_listener(struct bpf_sock* sk, __u32 port)
{
    __u32* known = bpf_sk_storage_get(&bp_steered, sk, &port, BPF_SK_STORAGE_GET_F_CREATE);

    if (known) *known = port;
}

/* Runs for every getsockname(2) of an IPv4 or IPv6 socket on the machine. For one without a value
 * of ours the helper returns after one load. The socket is locked, so its establishment, which
 * decides what is said, is over. */
static __always_inline int name_connection(struct bpf_sock_addr* ctx)
{
    struct bpf_sock* sk = READ(ctx, sk);
    __u32* target;

    if (!sk) return 1;
    target = bpf_sk_storage_get(&bp_steered, sk, 0, 0);
    if (!target || !(*target & STEERED_NAME)) return 1;
    /* The cgroup's own rule gave the program the listen port, and has answered already. */
    if (bpf_sk_storage_get(&bp_sockname_set, sk, 0, 0)) return 1;
    ctx->user_port = bpf_htons(*target & STEERED_PORT);
    return 1;
}

#endif
