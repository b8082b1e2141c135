/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Owner: asks the kernel which socket holds a TCP tuple, and whether an address is this host's.
 * Only SYNs and flows not seen before pay for these look-ups (a hundred ns each).
 */
#ifndef BPFPORT_LIB_OWNER_H
#define BPFPORT_LIB_OWNER_H

#include "lib/flows.h"
#include "lib/packet.h"

enum owner {
    OWNER_NONE,       /* no socket at all */
    OWNER_LISTENER,   /* nobody yet, but somebody listens */
    OWNER_CLOSED,     /* a TIME_WAIT that a new SYN may replace */
    OWNER_UNKNOWN,    /* a living connection that has no record: a handshake, or older than we are */
    OWNER_DIRECT,     /* a living connection on record as direct */
    OWNER_REDIRECTED, /* a living connection on record as ours */
};

/* Who holds the tuple (peer, local:local_port). listen_port: what a redirected owner's peer sees. */
static __always_inline enum owner tcp_owner(void* ctx, const struct bp_flow_key* key,
                                            __be16 local_port, __be16* listen_port)
{
    struct bpf_sock_tuple tuple = {};
    __u32 size = socket_tuple(&tuple, key, local_port);
    struct bpf_sock* sk = bpf_skc_lookup_tcp(ctx, &tuple, size, BPF_F_CURRENT_NETNS, 0);
    enum owner owner = OWNER_UNKNOWN;

    if (!sk) return OWNER_NONE;
    if (sk->state == STATE_LISTEN) {
        owner = OWNER_LISTENER;
    } else if (sk->state == STATE_TIME_WAIT) {
        owner = OWNER_CLOSED;
    } else {
        struct bpf_sock* full = bpf_sk_fullsock(sk);
        struct bp_record* record = full ? bpf_sk_storage_get(&bp_records, full, 0, 0) : NULL;

        if (record) {
            *listen_port = record->listen_port;
            owner = record->listen_port ? OWNER_REDIRECTED : OWNER_DIRECT;
        }
    }
    bpf_sk_release(sk);
    return owner;
}

/* The same for UDP: a socket connected to exactly this peer owns its datagrams (OWNER_UNKNOWN). */
static __always_inline enum owner udp_owner(void* ctx, const struct bp_flow_key* key,
                                            __be16 local_port)
{
    struct bpf_sock_tuple tuple = {};
    __u32 size = socket_tuple(&tuple, key, local_port);
    struct bpf_sock* sk = bpf_sk_lookup_udp(ctx, &tuple, size, BPF_F_CURRENT_NETNS, 0);
    enum owner owner;

    if (!sk) return OWNER_NONE;
    owner = sk->dst_port ? OWNER_UNKNOWN : OWNER_LISTENER;
    bpf_sk_release(sk);
    return owner;
}

enum locality {
    LOCAL,
    FORWARDED,
    UNROUTABLE,
};

/* What the kernel will do with a packet of this flow that arrived on ifindex. A device that doesn't
 * forward delivers locally or drops, so what arrives there and is not dropped is ours. */
static __always_inline enum locality locality(void* ctx, const struct bp_flow_key* key,
                                              __u32 ifindex)
{
    struct bpf_fib_lookup query = {.ifindex = ifindex};

    if (ifindex == LOOPBACK_INDEX) return LOCAL;
    route_query(&query, key);
    switch (bpf_fib_lookup(ctx, &query, sizeof(query), 0)) {
    case BPF_FIB_LKUP_RET_NOT_FWDED:
    case BPF_FIB_LKUP_RET_FWD_DISABLED:
        return LOCAL;
    case BPF_FIB_LKUP_RET_SUCCESS:
    case BPF_FIB_LKUP_RET_NO_NEIGH:
    case BPF_FIB_LKUP_RET_FRAG_NEEDED:
        return FORWARDED;
    default:
        return UNROUTABLE;
    }
}

#endif
