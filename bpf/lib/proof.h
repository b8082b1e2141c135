/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Proof: whose is a connection that is on no record and whose hint strangers have pushed out? The
 * packet shows it. Whoever sends to the listen port with the sequence numbers of the very socket
 * that holds its tuple has been in conversation with it through the listen port: a direct client's
 * packets go to the target port, and a stranger knows no numbers.
 *
 * Paid for by packets whose flow is unknown although a socket has their tuple: under a flood.
 */
#ifndef BPFPORT_LIB_PROOF_H
#define BPFPORT_LIB_PROOF_H

#include "lib/l4.h"
#include "lib/owner.h"

enum proof {
    DISPROVEN,
    PROVEN,
    UNDECIDED, /* a handshake, whose numbers this kernel does not show */
    OVERDUE, /* a SYN of another than began the handshake, which nobody acknowledged for a second */
};

/* Of the packet, in host byte order. */
struct numbers {
    __u32 sequence;
    __u32 acknowledgment;
};

#if DIRECT_WRITE
/* include/linux/tcp.h; only the fields we read, found by CO-RE wherever they are. */
struct request_sock {
    __u8 num_retrans; /* of the SYN-ACK; the first is due after a second */
} __attribute__((preserve_access_index));

struct inet_request_sock {
    struct request_sock req;
} __attribute__((preserve_access_index));

struct tcp_request_sock {
    struct inet_request_sock req;
    __u32 rcv_isn; /* the client's first */
    __u32 snt_isn; /* ours */
} __attribute__((preserve_access_index));

static __always_inline enum proof of_handshake(struct bpf_sock* sk, struct query* q,
                                               const struct numbers* packet)
{
    struct tcp_request_sock* request = bpf_skc_to_tcp_request_sock(sk);
    bool is_its_own;

    if (!request) return DISPROVEN;
    is_its_own = q->opens ? packet->sequence == request->rcv_isn /* the SYN once more */
                          : packet->acknowledgment == request->snt_isn + 1;
    if (is_its_own) return PROVEN;
    q->expected = request->rcv_isn + 1;
    return q->opens && request->req.req.num_retrans ? OVERDUE : DISPROVEN;
}
#else
static __always_inline enum proof of_handshake(struct bpf_sock* sk, struct query* q,
                                               const struct numbers* packet)
{
    return UNDECIDED;
}
#endif

/* The next byte that the socket waits for, or the one before it (a keepalive's), and an
 * acknowledgement of nothing that it has not sent. */
static __always_inline enum proof of_connection(struct bpf_sock* sk, const struct numbers* packet)
{
    struct bpf_tcp_sock* tcp = bpf_tcp_sock(sk);

    if (!tcp || tcp->rcv_nxt - packet->sequence > 1) return DISPROVEN;
    return packet->acknowledgment - tcp->snd_una <= tcp->snd_nxt - tcp->snd_una ? PROVEN
                                                                                : DISPROVEN;
}

/* What the query's packet proves about the socket at (peer, local:local_port); enum proof. */
GLOBAL __u32 bp_proof(struct __sk_buff* skb, __u32 local_port)
{
    struct query* q = query();
    struct bpf_sock_tuple tuple = {};
    enum proof proof = DISPROVEN;
    struct numbers packet;
    struct bpf_sock* sk;

    if (!q || bpf_skb_load_bytes(skb, q->transport + TCP_SEQUENCE, &packet, sizeof(packet)))
        return DISPROVEN;
    packet.sequence = bpf_ntohl(packet.sequence);
    packet.acknowledgment = bpf_ntohl(packet.acknowledgment);
    sk = bpf_skc_lookup_tcp(skb, &tuple, socket_tuple(&tuple, &q->key, local_port),
                            BPF_F_CURRENT_NETNS, 0);
    if (!sk) return DISPROVEN;
    if (READ(sk, state) == STATE_NEW_SYN_RECV) {
        proof = of_handshake(sk, q, &packet);
    } else if (!q->opens) {
        struct bpf_sock* full = bpf_sk_fullsock(sk);

        if (full) proof = of_connection(full, &packet);
    }
    bpf_sk_release(sk);
    return proof;
}

#endif
