/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Packet info: what is known of the packet that a program decides about, for the GLOBAL functions
 * that decide.
 *
 * It is in a per-CPU map and not on the stack: a GLOBAL function takes the context and numbers, and
 * no pointers before Linux 5.13. Without GLOBAL functions the verifier would follow that code once
 * for every state that leads there, which exceeds the limits of 5.10 and takes seconds on every
 * kernel. Programs of one hook don't nest on a CPU: tc and XDP run with bottom halves disabled.
 */
#ifndef BPFPORT_LIB_PKT_INFO_H
#define BPFPORT_LIB_PKT_INFO_H

#include "bpfport/flow.h"
#include "lib/kernel.h"

/* In, but for what is said to be out. Ports and addresses in network byte order. */
struct pkt_info {
    struct bp_flow_key key; /* target_port: by the rule; of a direct packet its destination port */
    __be16 orig_port;   /* destination port of the packet; 0: it goes straight to a target port */
    __be16 target_port; /* out: where the packet goes */
    __u32 ifindex;      /* interface that it arrived on */
    __u32 expected;     /* out, for END_HANDSHAKE: sequence number that the handshake waits for */
    __u32 entry;        /* of the destination port in the rule table: BP_PORT_* */
    __u16 rule;         /* id */
    __u16 transport;    /* offset of the transport header */
    __u8 proto;         /* enum bp_proto */
    bool opens;         /* a SYN, or a datagram */
    bool after_xdp;     /* a datagram to a target port that the XDP program has checked */
    bool known_only;    /* recorded connections continue; another engine takes new ones */
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct pkt_info);
} bp_pkt_info SEC(".maps");

/* This CPU's; never NULL, but the verifier requires the test. */
static __always_inline struct pkt_info* pkt_info(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&bp_pkt_info, &zero);
}

static __always_inline struct pkt_info* pkt_info_store(const struct pkt_info* value)
{
    struct pkt_info* pkt = pkt_info();

    if (pkt) *pkt = *value;
    return pkt;
}

#endif
