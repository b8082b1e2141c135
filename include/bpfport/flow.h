/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Flows: what says that a conversation is ours, and which listen port its peer sees.
 *
 * record   in the connection's own socket (BPF_MAP_TYPE_SK_STORAGE); never evicted, ends with it.
 * hint     a small LRU for what has no full socket yet or no more (SYN-ACK, cookie, RST, TIME_WAIT),
 *          and the memory that a flow was checked once (local address, no older connection).
 * udp flow the same for datagrams, in an LRU of its own: a UDP flood can't touch TCP.
 * forward  the same for conversations this host only forwards (--forwarded), TCP and UDP. Of TCP with
 *          a claim, since no socket here tells whose the conversation is (bpf/lib/contest.h).
 */
#ifndef BPFPORT_FLOW_H
#define BPFPORT_FLOW_H

#include <linux/types.h>

/* Addresses in network order, IPv4 as v4-mapped IPv6; ports in network order. No padding: it is a hash key. */
struct bp_flow_key {
    __u8 peer[16];
    __u8 local[16];
    __be16 peer_port;
    __be16 target_port;
};

struct bp_flow {
    __be16 listen_port; /* what the peer sees; 0: it talks to target_port directly */
    __be16
        target_port; /* where it really goes: the old target while a changed rule's connections live */
    __u16 rule;      /* id in the rule table, for counting */
    __u16 seen;      /* UDP: when it was last used, in ticks (bpf/lib/flows.h) */
};

/* Map `asked_at`, by the key of a UDP flow without its local address: where the peer sent to last. */
struct bp_asked_at {
    __u8 local[16];
};

/* A packet that would make the conversation another's than it is on record, until the far host's answer
 * shows whether it knows that packet. */
struct bp_forward_claim {
    __u32 number;       /* the packet's sequence number (a SYN's) or acknowledgement */
    __be16 listen_port; /* it came through; 0: the target port itself */
    __u16 rule;         /* and above it enum bp_claim_kind */
};

enum bp_claim_kind {
    BP_CLAIM_SYN = 0x8000,
    BP_CLAIM_SEGMENT = 0x4000,
    BP_CLAIM_RULE = 0x3fff,
};

/* Map `forward_conns`. */
struct bp_forward {
    struct bp_flow flow;
    struct bp_forward_claim claim;
};

struct bp_record {
    __be16 listen_port; /* 0: a direct connection, never translated */
    __u16 rule;
};

#endif
