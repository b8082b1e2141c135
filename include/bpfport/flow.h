/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Flows: which connections and datagram flows are redirected, and which listen port the peer sees.
 *
 * record   in the connection's own socket (BPF_MAP_TYPE_SK_STORAGE, in tc programs since 5.2, with
 *          BPF_F_CLONE since 5.4): it can't be evicted and is freed with the socket.
 * hint     in an LRU map: serves packets that have no full socket (SYN-ACK, SYN cookie, RST, TIME_WAIT),
 *          and shows that the flow was admitted (local address, no older connection).
 * UDP flow the same for datagrams, in an LRU map of its own: a UDP flood can't evict TCP hints.
 * forward  flows that this host forwards (--forwarded), in two LRU maps. A TCP entry has a candidate
 *          besides, since there is no local socket that tells which port the connection uses
 *          (bpf/lib/forward.h).
 *
 * The programs write these maps. User space reads them, deletes what `detach` ends, and sets the size
 * of each map before it is loaded.
 */
#ifndef BPFPORT_FLOW_H
#define BPFPORT_FLOW_H

#include <linux/types.h>

/* A hash key, so without padding. Addresses in network byte order, IPv4 as v4-mapped IPv6 addresses;
 * ports in network byte order. */
struct bp_flow_key {
    __u8 peer[16];
    __u8 local[16];
    __be16 peer_port;
    __be16 target_port;
};

/* 8 bytes, aligned to 8 in every map: programs replace one with a single store. */
struct bp_flow {
    __be16 listen_port; /* the port the peer sees; 0: a direct flow, which is not translated */
    __be16 target_port; /* where packets go: after a rule's target has changed, the old target for
                           connections that are older than the change */
    __u16 rule;         /* id in the rule table, for the counters */
    __u16 last_used;    /* UDP: in ticks (bpf/lib/flows.h) */
};

/* Map `last_local`. The key is that of a UDP flow with `local` zero. */
struct bp_last_local {
    __u8 local[16]; /* the address that the peer sent to last */
};

/* A packet through another listen port than the recorded one: it replaces the record when the far host's
 * answer shows that the far host accepted it. */
struct bp_forward_candidate {
    __u32 number; /* host byte order: of a SYN the sequence number, else the acknowledgement */
    __be16 listen_port; /* the packet's destination port; 0: the target port itself */
    __u16 rule; /* BP_CANDIDATE_RULE: its id; above: enum bp_candidate_kind. 0: no candidate */
};

enum bp_candidate_kind {
    BP_CANDIDATE_SYN = 0x8000,
    BP_CANDIDATE_SEGMENT = 0x4000,
    BP_CANDIDATE_RULE = 0x3fff,
};

/* Map `forward_tcp`. */
struct bp_forward {
    struct bp_flow flow;
    struct bp_forward_candidate candidate;
};

enum bp_record_flags {
    BP_RECORD_FLOW = 1 << 0, /* listen_port and rule are set: which port the peer sees is known */
    BP_RECORD_NAME = 1 << 1, /* getsockname(2) says bound_port */
};

/* Map `records`, in sockets. The listeners that sk_lookup selects have one, which connections inherit: so
 * there is room for theirs without an allocation of its own. */
struct bp_record {
    __be16
        listen_port;  /* the port the peer sees; 0: a direct connection, which is not translated */
    __u16 rule;       /* id in the rule table, for the counters */
    __u16 bound_port; /* of the listener, host byte order: a connection on another port was
                         steered; 0: not inherited */
    __u16 flags;      /* enum bp_record_flags */
};

#endif
