/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Sockname: what getsockname(2) says of a connection that sk_lookup steered. An object defines
 * those of the maps that it uses.
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

/* BPF_F_CLONE: connections inherit the value of their listener. */
struct sk_word_clone_map {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
    __type(key, int);
    __type(value, __u32);
};

/* The port that a listener is bound to. A connection whose own port differs was steered. */
extern struct sk_word_clone_map bp_steered SEC(".maps");

#define STEERED_PORT 0xffff
#define STEERED_NAME 0x10000 /* of a connection: getsockname(2) says that port */

static __always_inline void set_listen_port(struct bpf_sock* sk, __u32 port)
{
    __u32* known = bpf_sk_storage_get(&bp_steered, sk, &port, BPF_SK_STORAGE_GET_F_CREATE);

    if (known) *known = port;
}

/* Runs for every getsockname(2) of an IPv4 or IPv6 socket on the machine. If the socket has no
 * storage the helper returns after one load. The kernel holds the socket's lock, so bp_listen has
 * finished with the connection. */
static __always_inline int name_connection(struct bpf_sock_addr* ctx)
{
    struct bpf_sock* sk = READ(ctx, sk);
    __u32* target;

    if (!sk) return 1;
    target = bpf_sk_storage_get(&bp_steered, sk, 0, 0);
    if (!target || !(*target & STEERED_NAME)) return 1;
    /* The cgroup's own program has set the port. */
    if (bpf_sk_storage_get(&bp_sockname_set, sk, 0, 0)) return 1;
    ctx->user_port = bpf_htons(*target & STEERED_PORT);
    return 1;
}

#endif
