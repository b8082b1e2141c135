/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Owner: asks the kernel which socket holds a TCP tuple, and whether an address is this host's.
 * Only SYNs and flows not seen before pay for these look-ups (a hundred ns each).
 */
#ifndef BPFPORT_LIB_OWNER_H
#define BPFPORT_LIB_OWNER_H

#include "lib/device.h"
#include "lib/flows.h"
#include "lib/listeners.h"
#include "lib/packet.h"
#include "lib/query.h"
#include "lib/rules.h"

enum owner {
    OWNER_NONE,       /* no socket at all */
    OWNER_LISTENER,   /* nobody yet, but somebody listens */
    OWNER_KEEPER,     /* nobody yet, but somebody listens on this very loopback address */
    OWNER_CLOSED,     /* a TIME_WAIT that a new SYN may replace */
    OWNER_HANDSHAKE,  /* a SYN that was answered; whoever sent it has not acknowledged that yet */
    OWNER_UNKNOWN,    /* a living connection that has no record: just made, or older than we are */
    OWNER_DIRECT,     /* a living connection on record as direct */
    OWNER_REDIRECTED, /* a living connection on record as ours */
};

/* What tcp_owner() found: the owner, and what a redirected one's peer sees. */
struct tenure {
    enum owner owner;
    __be16 listen_port;
};

#define TENURE_PORT_SHIFT 8

/* Of a socket that no peer is connected to. */
static __always_inline enum owner listener_kind(const struct bpf_sock* sk)
{
    __u8 address[16] __attribute__((aligned(4)));

    bound_address(sk, address);
    return address_is_loopback(address) ? OWNER_KEEPER : OWNER_LISTENER;
}

/* Who holds the query's tuple (peer, local:local_port)? In one number: enum owner, and above it the
 * listen port of a redirected one. Checked by the verifier alone, see lib/query.h. */
GLOBAL __u32 bp_tcp_owner(struct __sk_buff* skb, __u32 local_port)
{
    struct query* q = query();
    struct bpf_sock_tuple tuple = {};
    enum owner owner = OWNER_UNKNOWN;
    __be16 listen_port = 0;
    struct bpf_sock* sk;
    __u32 state;

    if (!q) return OWNER_UNKNOWN;
    sk = bpf_skc_lookup_tcp(skb, &tuple, socket_tuple(&tuple, &q->key, local_port),
                            BPF_F_CURRENT_NETNS, 0);
    if (!sk) return OWNER_NONE;
    state = READ(sk, state);
    if (state == STATE_LISTEN) {
        owner = listener_kind(sk);
    } else if (state == STATE_TIME_WAIT) {
        owner = OWNER_CLOSED;
    } else if (state == STATE_NEW_SYN_RECV) {
        owner = OWNER_HANDSHAKE;
    } else {
        struct bpf_sock* full = bpf_sk_fullsock(sk);
        struct bp_record* record = full ? bpf_sk_storage_get(&bp_records, full, 0, 0) : NULL;

        if (record) {
            listen_port = record->listen_port;
            owner = listen_port ? OWNER_REDIRECTED : OWNER_DIRECT;
        }
    }
    bpf_sk_release(sk);
    return owner | (__u32)listen_port << TENURE_PORT_SHIFT;
}

static __always_inline struct tenure tcp_owner(struct __sk_buff* skb, __be16 local_port)
{
    __u32 packed = bp_tcp_owner(skb, local_port);

    return (struct tenure){packed & ((1 << TENURE_PORT_SHIFT) - 1), packed >> TENURE_PORT_SHIFT};
}

/* The same for UDP: a socket connected to exactly this peer owns its datagrams (OWNER_UNKNOWN). */
GLOBAL __u32 bp_udp_owner(struct __sk_buff* skb, __u32 local_port)
{
    struct query* q = query();
    struct bpf_sock_tuple tuple = {};
    enum owner owner;
    struct bpf_sock* sk;

    if (!q) return OWNER_UNKNOWN;
    sk = bpf_sk_lookup_udp(skb, &tuple, socket_tuple(&tuple, &q->key, local_port),
                           BPF_F_CURRENT_NETNS, 0);
    if (!sk) return OWNER_NONE;
    owner = READ(sk, dst_port) ? OWNER_UNKNOWN : listener_kind(sk);
    bpf_sk_release(sk);
    return owner;
}

/* Whether the client of the query's packet to a target port is a socket of this host. On lo, whose
 * packets have local clients, it may be none: a SYNPROXY repeats there the SYN of a client elsewhere. */
GLOBAL __u32 bp_has_local_client(struct __sk_buff* skb)
{
    struct query* q = query();
    struct bp_flow_key back = {};
    struct bpf_sock_tuple tuple = {};
    struct bpf_sock* sk;
    bool connected;

    if (!q) return false;
    copy_address(back.peer, q->key.local);
    copy_address(back.local, q->key.peer);
    back.peer_port = q->key.target_port;
    sk = bpf_skc_lookup_tcp(skb, &tuple, socket_tuple(&tuple, &back, q->key.peer_port),
                            BPF_F_CURRENT_NETNS, 0);
    if (!sk) return false;
    connected = READ(sk, state) != STATE_LISTEN;
    bpf_sk_release(sk);
    return connected;
}

enum locality {
    LOCAL,
    FORWARDED,
    UNROUTABLE,
};

/* What the kernel will do with a packet of the query's flow. A device that doesn't forward delivers
 * locally or drops, so what arrives there and is not dropped is ours, unless a container receives
 * there too: the kernel tells then no addresses apart, and the loader's list must. */
GLOBAL __u32 bp_locality(struct __sk_buff* skb)
{
    struct query* q = query();
    struct bpf_fib_lookup route = {};

    if (!q) return UNROUTABLE;
    if (q->ifindex == LOOPBACK_INDEX) return LOCAL;
    route.ifindex = q->ifindex;
    route_query(&route, &q->key);
    switch (bpf_fib_lookup(skb, &route, sizeof(route), 0)) {
    case BPF_FIB_LKUP_RET_NOT_FWDED:
        return LOCAL;
    case BPF_FIB_LKUP_RET_FWD_DISABLED:
        return !is_shared(skb) || address_is_own(q->key.local) ? LOCAL : UNROUTABLE;
    case BPF_FIB_LKUP_RET_SUCCESS:
    case BPF_FIB_LKUP_RET_NO_NEIGH:
    case BPF_FIB_LKUP_RET_FRAG_NEEDED:
        return FORWARDED;
    default:
        return UNROUTABLE;
    }
}

#endif
