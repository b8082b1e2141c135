/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Reply: what a packet from a target port, on its way out, belongs to: the connection that sent it, or
 * a flow.
 */
#ifndef BPFPORT_LIB_REPLY_H
#define BPFPORT_LIB_REPLY_H

#include "lib/asked_at.h"
#include "lib/contest.h"
#include "lib/cookies.h"
#include "lib/flows.h"
#include "lib/l4.h"

/* The connection that this packet was sent by; NULL: a handshake, a reset, a TIME_WAIT's answer.
 * Control sockets, of which the kernel has one for each CPU, have no port; a listener is no
 * connection. */
static __always_inline struct bpf_sock* sender(struct __sk_buff* skb, const struct l4* l4)
{
    struct bpf_sock* sk = READ(skb, sk);

    if (l4->proto != BP_TCP) return NULL;
    if (!sk) {
        cookie_sent();
        return NULL;
    }
    return bpf_sk_fullsock(sk);
}

static __always_inline bool is_connection(const struct bpf_sock* sk, __be16 port)
{
    return READ(sk, src_port) == bpf_ntohs(port) && READ(sk, state) != STATE_LISTEN;
}

/* The flow a packet from a target port belongs to; false: it is not on record. */
static __always_inline bool flow_of_reply(struct __sk_buff* skb, const struct packet* p,
                                          const struct l4* l4, const struct ports* ports,
                                          __u16 slot, struct bp_flow* out)
{
    struct bp_flow_key key = {};
    struct bp_flow* flow;
    bool forwarded = READ(skb, ingress_ifindex);

    if (!packet_addresses(p, skb_data(skb), skb_end(skb), key.local, key.peer)) return false;
    key.peer_port = ports->destination;
    key.target_port = ports->source;
    if (forwarded && l4->proto == BP_TCP) {
        __u32 found = bp_forwarded_reply(skb, packet_pack(p, PARSED));

        *out = (struct bp_flow){found, ports->source, found >> 16, 0};
        return true;
    }
    flow = forwarded ? forward_udp_lookup(&key) : flow_lookup(l4->proto, &key);
    if (flow && flow->target_port == ports->source) {
        if (l4->proto == BP_UDP) flow_used(flow);
        *out = *flow;
        return true;
    }
    if (flow || l4->proto != BP_UDP || forwarded) return false;

    __u32 answer = bp_answer_as_asked(skb, packet_pack(p, PARSED));

    if (answer) {
        *out = (struct bp_flow){answer, ports->source, answer >> 16, 0};
        return true;
    }
    /* --exclusive on UDP: who we wrote to first may answer (admit_direct). */
    if (slot & BP_PORT_ANY_EXCLUSIVE)
        flow_store(BP_UDP, &key, (struct bp_flow){0, ports->source, 0, tick()});
    return false;
}

#endif
