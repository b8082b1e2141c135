/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Query: a packet whose flow is not known yet, as the functions see it that decide about it.
 *
 * It lies in a per-CPU slot and not on the stack, because those functions are global: the verifier
 * checks each of them once, instead of once for every state that may lead there, which takes 5.10
 * past its limit and every kernel seconds. A global function may take the context and numbers, and,
 * before 5.13, no pointers. Our programs don't nest on a CPU: tc runs with bottom halves disabled.
 */
#ifndef BPFPORT_LIB_QUERY_H
#define BPFPORT_LIB_QUERY_H

#include "bpfport/flow.h"
#include "lib/kernel.h"

/* In: all but target_port, which key.target_port says at first. */
struct query {
    struct bp_flow_key key;
    __be16 listen_port;
    __be16 target_port; /* out: where it goes */
    __u32 ifindex;      /* it arrived on */
    __u32 expected;     /* out, for EVICT: the sequence number that the handshake waits for */
    __u16 rule;
    __u16 slot;      /* of the destination port */
    __u16 transport; /* offset of the packet's transport header */
    __u8 proto;
    bool opens;      /* a SYN or a datagram */
    bool after_xdp;  /* a datagram to a target port that our XDP program has seen first */
    bool known_only; /* connections on record go on, new ones are another engine's */
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct query);
} bp_query SEC(".maps");

/* This CPU's slot; never NULL, but the verifier wants to see it asked. */
static __always_inline struct query* query(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&bp_query, &zero);
}

/* Puts a question where the functions that decide find it. */
static __always_inline struct query* ask(const struct query* question)
{
    struct query* q = query();

    if (q) *q = *question;
    return q;
}

#endif
