/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Steered: what a connection that sk_lookup steered knows of its listener, by the record that it inherits.
 */
#ifndef BPFPORT_LIB_STEERED_H
#define BPFPORT_LIB_STEERED_H

#include "lib/flows.h"
#include "lib/sockname.h"

/* Connections of the listener, which is bound to `port` in host byte order, inherit that. */
static __always_inline void put_bound_port(struct bpf_sock* sk, __u16 port)
{
    struct bp_record first = {.bound_port = port};
    struct bp_record* record =
        bpf_sk_storage_get(&bp_records, sk, &first, BPF_SK_STORAGE_GET_F_CREATE);

    if (record) record->bound_port = port;
}

/* The record of a connection on `port`, in host byte order, if it was steered; NULL: it was not. */
static __always_inline struct bp_record* steered_record(struct bpf_sock* sk, __u16 port)
{
    struct bp_record* record = bpf_sk_storage_get(&bp_records, sk, 0, 0);

    return record && record->bound_port && record->bound_port != port ? record : NULL;
}

/* Runs for every getsockname(2) of an IPv4 or IPv6 socket on the machine. If the socket has no
 * storage the helper returns after one load. The kernel holds the socket's lock, so bp_listen has
 * finished with the connection. */
static __always_inline int name_connection(struct bpf_sock_addr* ctx)
{
    struct bpf_sock* sk = READ(ctx, sk);
    struct bp_record* record;

    if (!sk) return 1;
    record = bpf_sk_storage_get(&bp_records, sk, 0, 0);
    if (!record || !(record->flags & BP_RECORD_NAME)) return 1;
    /* The cgroup's own program has set the port. */
    if (bpf_sk_storage_get(&bp_sockname_set, sk, 0, 0)) return 1;
    ctx->user_port = bpf_htons(record->bound_port);
    return 1;
}

#endif
