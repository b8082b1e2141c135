/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Contest: whose is a TCP conversation that this host only forwards? No socket here tells, but the far
 * host knows, and its answers show it. A packet that came through another port than the one on record
 * goes on to the target and leaves a claim, no more: the record is in force until an answer proves the
 * claim. A SYN is answered by a SYN-ACK (or a reset) that acknowledges its number where no connection
 * lives, and by an acknowledgement of the connection's own numbers where one does (RFC 5961, RFC 9293
 * 3.10.7.4). A segment in the midst of a connection, whose record was evicted, acknowledges the very
 * byte that the far host sends next. A stranger's is known by neither, so that his packets change
 * nothing; flows that go straight to the target need no record, since what is on none is direct.
 */
#ifndef BPFPORT_LIB_CONTEST_H
#define BPFPORT_LIB_CONTEST_H

#include "lib/flows.h"
#include "lib/l4.h"
#include "lib/parse.h"
#include "lib/query.h"

/* How far an answer's number may be from the claim's: data in a SYN, segments on the way. */
#define CLAIM_REACH 0x10000

static __always_inline struct bp_forward* forward_conn(const struct bp_flow_key* key)
{
    return bpf_map_lookup_elem(&bp_forward_tcp, key);
}

static __always_inline struct bp_flow* forward_lookup(__u8 proto, const struct bp_flow_key* key)
{
    if (proto == BP_TCP) {
        struct bp_forward* conn = forward_conn(key);

        barrier();
        return conn ? &conn->flow : NULL;
    }
    return forward_udp_lookup(key);
}

/* What a claim and its proof need of the TCP header, in host byte order. */
struct segment {
    __u32 sequence;
    __u32 acknowledgment;
    __u16 flags;
};

static __always_inline bool read_segment(struct __sk_buff* skb, __u32 transport, struct segment* s)
{
    struct {
        __be32 sequence, acknowledgment;
        __u8 offset, flags;
        __u8 rest[2];
    } header;

    if (bpf_skb_load_bytes(skb, transport + TCP_SEQUENCE, &header, sizeof(header))) return false;
    s->sequence = bpf_ntohl(header.sequence);
    s->acknowledgment = bpf_ntohl(header.acknowledgment);
    s->flags = header.flags;
    return true;
}

static __always_inline void claim_assign(struct bp_forward_candidate* claim,
                                         struct bp_forward_candidate value)
{
    union {
        struct bp_forward_candidate claim;
        __u64 word;
    } whole = {.claim = value};

    *(volatile __u64*)claim = whole.word;
}

/* The query's packet, which is forwarded, goes through its listen port (with rule 0: straight to the
 * target port). Returns whether the conversation is new to us. */
GLOBAL int bp_contend(struct __sk_buff* skb, __u32 rule)
{
    struct query* q = query();
    struct bp_forward* known;
    struct bp_forward fresh = {};
    struct bp_forward_candidate claim = {};
    struct segment segment = {};

    if (!q) return 0;
    claim.listen_port = rule ? q->listen_port : 0;
    known = forward_conn(&q->key);
    if (known ? known->flow.listen_port == claim.listen_port : !rule) return 0;
    if (!read_segment(skb, q->transport, &segment)) return 0;
    if (!(segment.flags & (TCP_SYN | TCP_ACK))) return 0; /* a reset says nothing of itself */
    claim.number = q->opens ? segment.sequence : segment.acknowledgment;
    claim.rule = (rule & BP_CANDIDATE_RULE) | (q->opens ? BP_CANDIDATE_SYN : BP_CANDIDATE_SEGMENT);
    if (known) {
        claim_assign(&known->candidate, claim);
        return 0;
    }
    fresh.flow.target_port = q->key.target_port;
    fresh.candidate = claim;
    if (bpf_map_update_elem(&bp_forward_tcp, &q->key, &fresh, BPF_ANY)) {
        count_outcome(BP_OUTCOME_FLOW_LOST);
        return 0;
    }
    count_stored(BP_FLOWS_FORWARD_TCP);
    /* See flow_store(). */
    return forward_conn(&q->key) != NULL;
}

static __always_inline bool is_proven(const struct bp_forward_candidate* claim,
                                      const struct segment* answer)
{
    if (claim->rule & BP_CANDIDATE_SYN)
        return (answer->flags & TCP_ACK) && (answer->flags & (TCP_SYN | TCP_RST)) &&
               answer->acknowledgment - claim->number - 1 < CLAIM_REACH;
    return (claim->rule & BP_CANDIDATE_SEGMENT) && answer->sequence - claim->number < CLAIM_REACH;
}

/* A TCP packet from a target port that this host forwards: the listen port and, above 16 bits, the rule
 * of its conversation; 0: it is direct. */
GLOBAL __u32 bp_forwarded_reply(struct __sk_buff* skb, __u64 packed)
{
    struct bp_flow_key key = {};
    struct bp_forward* known;
    struct segment answer = {};
    struct bp_forward_candidate claim;
    struct packet p;
    struct ports* ports;

    if (packet_unpack(&p, packed) != PARSED) return 0;
    ports = (struct ports*)transport(skb, &p, sizeof(*ports));
    if (!ports) return 0;
    key.peer_port = ports->destination;
    key.target_port = ports->source;
    if (!packet_addresses(&p, skb_data(skb), skb_end(skb), key.local, key.peer)) return 0;
    known = forward_conn(&key);
    if (!known) return 0;
    claim = known->candidate;
    if (claim.rule && read_segment(skb, p.transport, &answer) && is_proven(&claim, &answer)) {
        flow_assign(&known->flow, (struct bp_flow){claim.listen_port, key.target_port,
                                                   claim.rule & BP_CANDIDATE_RULE, 0});
        claim_assign(&known->candidate, (struct bp_forward_candidate){});
    }
    return known->flow.listen_port | (__u32)known->flow.rule << 16;
}

/* An ICMP error quotes a packet on its way to the target: the listen port by which the SYN came that
 * it quotes; 0: it quotes no claim. */
static __always_inline __be16 claimed_by(struct __sk_buff* skb, const struct bp_flow_key* key,
                                         __u32 quoted)
{
    struct bp_forward* known = forward_conn(key);
    __be32 sequence;

    if (!known || !(known->candidate.rule & BP_CANDIDATE_SYN)) return 0;
    if (bpf_skb_load_bytes(skb, quoted + TCP_SEQUENCE, &sequence, sizeof(sequence))) return 0;
    return bpf_ntohl(sequence) == known->candidate.number ? known->candidate.listen_port : 0;
}

#endif
