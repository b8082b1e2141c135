/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Forward: which listen port a TCP connection uses that this host only forwards (--forwarded).
 *
 * No local socket tells. The far host knows, and its answers show it. A packet through another port
 * than the recorded one is forwarded to the target and becomes the candidate; the record stays in
 * force until an answer confirms the candidate:
 *  - Without a connection, a SYN is answered by a SYN-ACK or a reset that acknowledges its sequence
 *    number; with one, by an acknowledgement with the connection's own numbers (RFC 5961, RFC 9293
 *    3.10.7.4).
 *  - A segment of a connection whose record was evicted acknowledges the byte that the far host
 *    sends next.
 *
 * A spoofed packet meets neither, and changes nothing. A connection without a record is direct.
 */
#ifndef BPFPORT_LIB_FORWARD_H
#define BPFPORT_LIB_FORWARD_H

#include "lib/ctx.h"
#include "lib/flows.h"
#include "lib/l4.h"
#include "lib/parse.h"

/* By how much an answer's number may differ from the candidate's: data in a SYN, segments in
 * flight. */
#define ANSWER_WINDOW 0x10000

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

/* Fields of a TCP header, in host byte order. */
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

static __always_inline void candidate_assign(struct bp_forward_candidate* candidate,
                                             struct bp_forward_candidate value)
{
    union {
        struct bp_forward_candidate candidate;
        __u64 word;
    } whole = {.candidate = value};

    *(volatile __u64*)candidate = whole.word;
}

/* Records the forwarded TCP packet in pkt_info(), or makes it the candidate of the connection that
 * is recorded: with rule 0 it goes straight to the target port. Returns whether the connection is
 * new. */
GLOBAL int bp_forward_packet(struct __sk_buff* skb, __u32 rule)
{
    struct pkt_info* pkt = pkt_info();
    struct bp_forward* known;
    struct bp_forward fresh = {};
    struct bp_forward_candidate candidate = {};
    struct segment segment = {};

    if (!pkt) return 0;
    candidate.listen_port = rule ? pkt->orig_port : 0;
    known = forward_conn(&pkt->key);
    if (known ? known->flow.listen_port == candidate.listen_port : !rule) return 0;
    if (!read_segment(skb, pkt->transport, &segment)) return 0;
    if (!(segment.flags & (TCP_SYN | TCP_ACK)))
        return 0; /* a reset doesn't show that the connection is accepted */
    candidate.number = pkt->opens ? segment.sequence : segment.acknowledgment;
    candidate.rule =
        (rule & BP_CANDIDATE_RULE) | (pkt->opens ? BP_CANDIDATE_SYN : BP_CANDIDATE_SEGMENT);
    if (known) {
        candidate_assign(&known->candidate, candidate);
        return 0;
    }
    fresh.flow.target_port = pkt->key.target_port;
    fresh.candidate = candidate;
    if (bpf_map_update_elem(&bp_forward_tcp, &pkt->key, &fresh, BPF_ANY)) {
        count_outcome(BP_OUTCOME_FLOW_LOST);
        return 0;
    }
    count_stored(BP_FLOWS_FORWARD_TCP);
    /* The look-up: see flow_store(). */
    return forward_conn(&pkt->key) != NULL;
}

/* Whether an answer of the far host shows that it accepted the candidate. */
static __always_inline bool is_confirmed(const struct bp_forward_candidate* candidate,
                                         const struct segment* answer)
{
    if (candidate->rule & BP_CANDIDATE_SYN)
        return (answer->flags & TCP_ACK) && (answer->flags & (TCP_SYN | TCP_RST)) &&
               answer->acknowledgment - candidate->number - 1 < ANSWER_WINDOW;
    return (candidate->rule & BP_CANDIDATE_SEGMENT) &&
           answer->sequence - candidate->number < ANSWER_WINDOW;
}

/* A forwarded TCP packet from a target port. Returns the listen port of its connection and, from
 * bit 16 on, the rule; 0: a direct connection. */
GLOBAL __u32 bp_forwarded_reply(struct __sk_buff* skb, __u64 packed)
{
    struct bp_flow_key key = {};
    struct bp_forward* known;
    struct segment answer = {};
    struct bp_forward_candidate candidate;
    struct packet p;
    struct l4_ports* ports;

    if (packet_unpack(&p, packed) != PARSED) return 0;
    ports = (struct l4_ports*)transport(skb, &p, sizeof(*ports));
    if (!ports) return 0;
    key.peer_port = ports->destination;
    key.target_port = ports->source;
    if (!packet_addresses(&p, skb_data(skb), skb_end(skb), key.local, key.peer)) return 0;
    known = forward_conn(&key);
    if (!known) return 0;
    candidate = known->candidate;
    if (candidate.rule && read_segment(skb, p.transport, &answer) &&
        is_confirmed(&candidate, &answer)) {
        flow_assign(&known->flow, (struct bp_flow){candidate.listen_port, key.target_port,
                                                   candidate.rule & BP_CANDIDATE_RULE, 0});
        candidate_assign(&known->candidate, (struct bp_forward_candidate){});
    }
    return known->flow.listen_port | (__u32)known->flow.rule << 16;
}

/* The listen port of the candidate SYN that an outgoing ICMP error quotes; 0: it quotes another
 * packet. */
static __always_inline __be16 candidate_port(struct __sk_buff* skb, const struct bp_flow_key* key,
                                             __u32 quoted)
{
    struct bp_forward* known = forward_conn(key);
    __be32 sequence;

    if (!known || !(known->candidate.rule & BP_CANDIDATE_SYN)) return 0;
    if (bpf_skb_load_bytes(skb, quoted + TCP_SEQUENCE, &sequence, sizeof(sequence))) return 0;
    return bpf_ntohl(sequence) == known->candidate.number ? known->candidate.listen_port : 0;
}

#endif
