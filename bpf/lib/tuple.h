/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Tuple: which socket of this host holds a tuple (peer, local address, port), and whether a packet
 * belongs to it. Each look-up in the kernel takes about 100 ns: only for SYNs and for flows that
 * are not known.
 *
 * Proof: a connection may have no record, and a flood may have evicted its hint. A packet to the
 * listen port that has the sequence numbers of the socket with its tuple belongs to that socket,
 * which thus is redirected: a direct client sends to the target port, and an off-path sender
 * doesn't know the numbers.
 */
#ifndef BPFPORT_LIB_TUPLE_H
#define BPFPORT_LIB_TUPLE_H

#include "lib/ctx.h"
#include "lib/flows.h"
#include "lib/l4.h"
#include "lib/listeners.h"
#include "lib/rules.h"

/* What the look-up of a tuple finds, in the order of how firmly the tuple is held. */
enum holder {
    HOLDER_NONE,        /* no socket */
    HOLDER_LISTENER,    /* a listener */
    HOLDER_LO_LISTENER, /* a listener on one loopback address */
    HOLDER_TIME_WAIT,   /* a connection that a new SYN may replace */
    HOLDER_HANDSHAKE,  /* a SYN that was answered, and whose sender has not acknowledged that yet */
    HOLDER_UNRECORDED, /* a connection without a record: new, or older than the rule */
    HOLDER_DIRECT,     /* a connection recorded as direct */
    HOLDER_REDIRECTED, /* a connection recorded as redirected */
};

struct tuple_holder {
    enum holder kind;
    __be16 listen_port; /* of HOLDER_REDIRECTED: the port the peer sees */
};

#define HOLDER_PORT_SHIFT 8

/* For a socket that is not connected. */
static __always_inline enum holder listener_kind(const struct bpf_sock* sk)
{
    __u8 address[16] __attribute__((aligned(4)));

    bound_address(sk, address);
    return address_is_loopback(address) ? HOLDER_LO_LISTENER : HOLDER_LISTENER;
}

/* Looks up the TCP socket for (peer, local:local_port) of pkt_info(). Bits 0-7: enum holder; above:
 * the listen port of HOLDER_REDIRECTED. */
GLOBAL __u32 bp_tcp_holder(struct __sk_buff* skb, __u32 local_port)
{
    struct pkt_info* pkt = pkt_info();
    struct bpf_sock_tuple tuple = {};
    enum holder kind = HOLDER_UNRECORDED;
    __be16 listen_port = 0;
    struct bpf_sock* sk;
    __u32 state;

    if (!pkt) return HOLDER_UNRECORDED;
    sk = bpf_skc_lookup_tcp(skb, &tuple, socket_tuple(&tuple, &pkt->key, local_port),
                            BPF_F_CURRENT_NETNS, 0);
    if (!sk) return HOLDER_NONE;
    state = READ(sk, state);
    if (state == STATE_LISTEN) {
        kind = listener_kind(sk);
    } else if (state == STATE_TIME_WAIT) {
        kind = HOLDER_TIME_WAIT;
    } else if (state == STATE_NEW_SYN_RECV) {
        kind = HOLDER_HANDSHAKE;
    } else {
        struct bpf_sock* full = bpf_sk_fullsock(sk);
        struct bp_record* record = full ? flow_record(full) : NULL;

        if (record) {
            listen_port = record->listen_port;
            kind = listen_port ? HOLDER_REDIRECTED : HOLDER_DIRECT;
        }
    }
    bpf_sk_release(sk);
    return kind | (__u32)listen_port << HOLDER_PORT_SHIFT;
}

static __always_inline struct tuple_holder tcp_holder(struct __sk_buff* skb, __be16 local_port)
{
    __u32 packed = bp_tcp_holder(skb, local_port);

    return (struct tuple_holder){packed & ((1 << HOLDER_PORT_SHIFT) - 1),
                                 packed >> HOLDER_PORT_SHIFT};
}

/* The same for UDP; a socket that is connected to the peer is HOLDER_UNRECORDED. */
GLOBAL __u32 bp_udp_holder(struct __sk_buff* skb, __u32 local_port)
{
    struct pkt_info* pkt = pkt_info();
    struct bpf_sock_tuple tuple = {};
    enum holder kind;
    struct bpf_sock* sk;

    if (!pkt) return HOLDER_UNRECORDED;
    sk = bpf_sk_lookup_udp(skb, &tuple, socket_tuple(&tuple, &pkt->key, local_port),
                           BPF_F_CURRENT_NETNS, 0);
    if (!sk) return HOLDER_NONE;
    kind = READ(sk, dst_port) ? HOLDER_UNRECORDED : listener_kind(sk);
    bpf_sk_release(sk);
    return kind;
}

/* Whether the packet's source is a socket of this host. On lo it may not be: a SYNPROXY repeats
 * there the SYN of a remote client. */
GLOBAL __u32 bp_has_local_client(struct __sk_buff* skb)
{
    struct pkt_info* pkt = pkt_info();
    struct bp_flow_key back = {};
    struct bpf_sock_tuple tuple = {};
    struct bpf_sock* sk;
    bool connected;

    if (!pkt) return false;
    copy_address(back.peer, pkt->key.local);
    copy_address(back.local, pkt->key.peer);
    back.peer_port = pkt->key.target_port;
    sk = bpf_skc_lookup_tcp(skb, &tuple, socket_tuple(&tuple, &back, pkt->key.peer_port),
                            BPF_F_CURRENT_NETNS, 0);
    if (!sk) return false;
    connected = READ(sk, state) != STATE_LISTEN;
    bpf_sk_release(sk);
    return connected;
}

enum locality {
    LOCAL,      /* to this host */
    FORWARDED,  /* to another host, by this one */
    UNROUTABLE, /* neither */
};

/* Where the kernel will deliver the packet in pkt_info(): enum locality. On a device that doesn't
 * forward the kernel's answer doesn't depend on the address: it delivers locally or drops. If a
 * container receives on such a device as well, the loader's list of addresses decides. */
GLOBAL __u32 bp_locality(struct __sk_buff* skb)
{
    struct pkt_info* pkt = pkt_info();
    struct bpf_fib_lookup fib = {};

    if (!pkt) return UNROUTABLE;
    if (pkt->ifindex == LOOPBACK_INDEX) return LOCAL;
    fib.ifindex = pkt->ifindex;
    fib_addresses(&fib, &pkt->key);
    switch (bpf_fib_lookup(skb, &fib, sizeof(fib), 0)) {
    case BPF_FIB_LKUP_RET_NOT_FWDED:
        return LOCAL;
    case BPF_FIB_LKUP_RET_FWD_DISABLED:
        return !device_is_shared(skb) || address_is_local(pkt->key.local) ? LOCAL : UNROUTABLE;
    case BPF_FIB_LKUP_RET_SUCCESS:
    case BPF_FIB_LKUP_RET_NO_NEIGH:
    case BPF_FIB_LKUP_RET_FRAG_NEEDED:
        return FORWARDED;
    default:
        return UNROUTABLE;
    }
}

/* -- proof -- */

enum proof {
    DISPROVEN, /* the packet doesn't belong to the socket */
    PROVEN,    /* it does */
    UNDECIDED, /* a handshake, whose numbers the program can't read */
    OVERDUE,   /* a SYN that didn't begin the handshake, which was not acknowledged for a second */
};

/* Of a packet, in host byte order. */
struct numbers {
    __u32 sequence;
    __u32 acknowledgment;
};

#if DIRECT_WRITE
/* include/linux/tcp.h: only the fields that are read; CO-RE finds their offsets. */
struct request_sock {
    __u8 num_retrans; /* of the SYN-ACK; the first one is after a second */
} __attribute__((preserve_access_index));

struct inet_request_sock {
    struct request_sock req;
} __attribute__((preserve_access_index));

struct tcp_request_sock {
    struct inet_request_sock req;
    __u32 rcv_isn; /* the client's initial sequence number */
    __u32 snt_isn; /* this host's */
} __attribute__((preserve_access_index));

static __always_inline enum proof handshake_proof(struct bpf_sock* sk, struct pkt_info* pkt,
                                                  const struct numbers* packet)
{
    struct tcp_request_sock* request = bpf_skc_to_tcp_request_sock(sk);
    bool belongs;

    if (!request) return DISPROVEN;
    belongs = pkt->opens ? packet->sequence == request->rcv_isn /* the SYN, repeated */
                         : packet->acknowledgment == request->snt_isn + 1;
    if (belongs) return PROVEN;
    pkt->expected = request->rcv_isn + 1;
    return pkt->opens && request->req.req.num_retrans ? OVERDUE : DISPROVEN;
}
#else
static __always_inline enum proof handshake_proof(struct bpf_sock* sk, struct pkt_info* pkt,
                                                  const struct numbers* packet)
{
    return UNDECIDED;
}
#endif

/* The packet must have the sequence number that the socket expects, or the one before it
 * (keepalive), and acknowledge no more than the socket has sent. */
static __always_inline enum proof connection_proof(struct bpf_sock* sk,
                                                   const struct numbers* packet)
{
    struct bpf_tcp_sock* tcp = bpf_tcp_sock(sk);

    if (!tcp || tcp->rcv_nxt - packet->sequence > 1) return DISPROVEN;
    return packet->acknowledgment - tcp->snd_una <= tcp->snd_nxt - tcp->snd_una ? PROVEN
                                                                                : DISPROVEN;
}

/* Whether the packet's sequence numbers show that it belongs to the socket at (peer,
 * local:local_port) of pkt_info(): enum proof. */
GLOBAL __u32 bp_proof(struct __sk_buff* skb, __u32 local_port)
{
    struct pkt_info* pkt = pkt_info();
    struct bpf_sock_tuple tuple = {};
    enum proof proof = DISPROVEN;
    struct numbers packet;
    struct bpf_sock* sk;

    if (!pkt || bpf_skb_load_bytes(skb, pkt->transport + TCP_SEQUENCE, &packet, sizeof(packet)))
        return DISPROVEN;
    packet.sequence = bpf_ntohl(packet.sequence);
    packet.acknowledgment = bpf_ntohl(packet.acknowledgment);
    sk = bpf_skc_lookup_tcp(skb, &tuple, socket_tuple(&tuple, &pkt->key, local_port),
                            BPF_F_CURRENT_NETNS, 0);
    if (!sk) return DISPROVEN;
    if (READ(sk, state) == STATE_NEW_SYN_RECV) {
        proof = handshake_proof(sk, pkt, &packet);
    } else if (!pkt->opens) {
        struct bpf_sock* full = bpf_sk_fullsock(sk);

        if (full) proof = connection_proof(full, &packet);
    }
    bpf_sk_release(sk);
    return proof;
}

/* Whether only the packet's sequence numbers tell if the holder is redirected. */
static __always_inline bool needs_proof(enum holder holder)
{
    return holder == HOLDER_HANDSHAKE || holder == HOLDER_UNRECORDED;
}

/* Whether the packet in pkt_info(), to a listen port, belongs to a connection with a socket on that port. */
GLOBAL int bp_has_connection(struct __sk_buff* skb, __u32 local_port)
{
    struct pkt_info* pkt = pkt_info();
    struct tuple_holder holder;

    if (!pkt) return 0;
    holder = tcp_holder(skb, local_port);
    if (holder.kind == HOLDER_REDIRECTED) return holder.listen_port == pkt->orig_port;
    return needs_proof(holder.kind) && bp_proof(skb, local_port) == PROVEN;
}

#endif
