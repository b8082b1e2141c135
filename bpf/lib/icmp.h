/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * ICMP: translates errors, which quote the packet that they are about with the ports it had on the
 * wire. The kernel finds the socket by the quoted ports: path-MTU discovery and port unreachable
 * need them.
 *
 * in   a reply of this host is quoted: its source port becomes the target port again
 * out  a client's packet is quoted: its destination port becomes the listen port again
 *
 * Errors about other flows keep their ports. A quote may end after 8 bytes of the transport header
 * (RFC 792), before the checksum of TCP.
 */
#ifndef BPFPORT_LIB_ICMP_H
#define BPFPORT_LIB_ICMP_H

#include "lib/admit.h"
#include "lib/forward.h"
#include "lib/parse.h"
#include "lib/rewrite.h"

#define ICMP_CHECKSUM 2 /* offset in ICMP and ICMPv6 */
#define QUOTED_PORTS 8  /* bytes of the transport header that every error quotes (RFC 792) */

/* The packet that an ICMP error quotes. */
struct quote {
    struct packet packet;
    struct l4 l4;
    struct l4_ports ports;
    __u32 error; /* offset of the ICMP header */
    __u32 end;   /* offset of the end of the error by its IP header; padding may follow */
    bool has_checksum;
};

/* The quoted transport header; NULL: fewer than `bytes` of it are quoted. */
static __always_inline __u8* quoted(struct __sk_buff* skb, const struct quote* q, __u32 bytes)
{
    if (q->packet.transport + bytes > q->end) return NULL;
    return transport(skb, &q->packet, bytes);
}

/* Parses the packet that an ICMP error quotes. False: no error, or none about a TCP or UDP
 * packet. */
static __always_inline bool read_quote(struct __sk_buff* skb, const struct packet* error,
                                       struct quote* q, __u8* source, __u8* destination)
{
    __u8* type = transport(skb, error, ICMP_ERROR_HEADER);
    __u8* header;

    if (!type || !is_icmp_error(error, *type)) return false;
    if (parse_ip(skb, &q->packet, error->transport + ICMP_ERROR_HEADER) != PARSED) return false;
    if (q->packet.version != error->version) return false;
    if (!l4_of(&q->l4, q->packet.protocol)) return false;
    q->end = error->l4_len ? error->transport + error->l4_len : READ(skb, len);
    header = quoted(skb, q, QUOTED_PORTS);
    if (!header) return false;
    q->ports = *(struct l4_ports*)header;
    q->has_checksum = quoted(skb, q, q->l4.checksum + sizeof(__u16)) != NULL;
    q->error = error->transport;
    return packet_addresses(&q->packet, skb_data(skb), skb_end(skb), source, destination);
}

/* Changes the quoted port. If the quoted checksum changes with it, the two changes cancel out in
 * the ICMP checksum; if there is no quoted checksum, the ICMP checksum changes. */
static __always_inline bool rewrite_quote(struct __sk_buff* skb, const struct quote* q, __u32 which,
                                          __be16 from, __be16 to)
{
    __u32 port = q->packet.transport + which;
    __u32 checksum = q->packet.transport + q->l4.checksum;
    __u64 flags = sizeof(to);
    __u16 quoted = 0;
    bool cancels = q->has_checksum;

    if (cancels && q->l4.zero_is_none) {
        if (bpf_skb_load_bytes(skb, checksum, &quoted, sizeof(quoted))) return false;
        cancels = quoted != 0;
        if (cancels) flags |= BPF_F_MARK_MANGLED_0; /* zero would mean that there is none */
    }
    if (!cancels) checksum = q->error + ICMP_CHECKSUM;
    if (bpf_l4_csum_replace(skb, checksum, from, to, flags)) return false;
    return !bpf_skb_store_bytes(skb, port, &to, sizeof(to), 0);
}

/* The target port of the flow given by the key (without its target port) and `listen_port`, if rule
 * `id` redirected it; else 0. */
GLOBAL __u32 bp_quoted_target(struct __sk_buff* skb, __u32 id, __u32 proto, __u32 listen_port)
{
    const struct bp_rule* rule = rules_get(rules_side(), id);
    struct pkt_info* pkt = pkt_info();
    struct bp_flow_key* key;
    struct bp_flow* flow;

    if (!pkt || !rule) return 0;
    key = &pkt->key;
    key->target_port = rule_target(rule, listen_port);
    flow = flow_lookup(proto, key);
    if (flow && flow->listen_port == listen_port) return flow->target_port;
    if (proto == BP_TCP) {
        struct tuple_holder holder = tcp_holder(skb, key->target_port);

        if (holder.kind == HOLDER_REDIRECTED && holder.listen_port == listen_port)
            return key->target_port;
    }
    if (!(rule->flags & BP_RULE_FORWARDED)) return 0;
    flow = forward_lookup(proto, key);
    return flow && flow->listen_port == listen_port ? flow->target_port : 0;
}

/* The id of the `index`-th rule that may have redirected the flow given by the key in pkt_info() to
 * a listen port with that entry; 0: none. The error may arrive on another interface than the flow:
 * first its own scopes are searched, then each of the set. */
static __always_inline __u32 quoted_rule(struct pkt_info* pkt, __u32 entry, __u32 index)
{
    __u32 side = rules_side();
    __u32 set = entry & BP_PORT_LISTEN;
    __u32 zero = 0;
    const struct bp_span* spans;

    if (!(entry & BP_PORT_SEARCH)) return set;
    if (!index) return bp_find_rule(entry);
    spans = bpf_map_lookup_elem(&bp_spans, &zero);
    if (!spans || index > span_get(spans, side, set)->count) return 0;
    return share_of(side,
                    search_set(side, entry, span_get(spans, side, set + index)->first, &pkt->key),
                    &pkt->key);
}

/* bp_quoted_target() of that rule. In a loop, so the rule is found in here: verifiers before 6.7
 * refuse a loop that clang ends with a call ("back-edge"). */
GLOBAL __u32 bp_quoted_target_of(struct __sk_buff* skb, __u32 entry, __u32 index, __u32 proto,
                                 __u32 listen_port)
{
    struct pkt_info* pkt = pkt_info();
    __u32 id = pkt ? quoted_rule(pkt, entry, index) : 0;
    const struct bp_rule* rule = id ? rules_get(rules_side(), id) : NULL;

    if (!rule) return 0;
    if (rule->shares) id = recorded_share_of(skb, pkt, id, proto, listen_port);
    return id ? bp_quoted_target(skb, id, proto, listen_port) : 0;
}

#define QUOTED_RULES 16 /* scopes of a set that are searched at most */

#define NO_OUTCOME (-1) /* the error is about a flow that is not redirected */

/* Translate an incoming and an outgoing error. Both return the enum bp_outcome to count, or
 * NO_OUTCOME. */
GLOBAL int bp_icmp_in(struct __sk_buff* skb, __u64 packed_error)
{
    struct packet error;
    struct quote q = {};
    struct pkt_info* pkt = pkt_info();
    struct bp_flow_key* key;
    __be16 target = 0;
    __u32 entry;

    if (!pkt || packet_unpack(&error, packed_error) != PARSED) return NO_OUTCOME;
    key = &pkt->key;
    if (!read_quote(skb, &error, &q, key->local, key->peer)) return NO_OUTCOME;
    entry = port_entry(rules_side(), q.l4.proto, q.ports.source);
    if (!(entry & BP_PORT_LISTEN)) return NO_OUTCOME;
    key->peer_port = q.ports.destination;
    pkt->ifindex = READ(skb, ifindex);

    for (int i = 0; i <= QUOTED_RULES; i++) {
        target = bp_quoted_target_of(skb, entry, i, q.l4.proto, q.ports.source);
        if (target || !(entry & BP_PORT_SEARCH)) break;
    }
    if (!target) return NO_OUTCOME;
    if (!rewrite_quote(skb, &q, SOURCE_PORT, q.ports.source, target))
        return BP_OUTCOME_WRITE_FAILED;
    return BP_OUTCOME_ICMP_IN;
}

GLOBAL int bp_icmp_out(struct __sk_buff* skb, __u64 packed_error)
{
    struct packet error;
    struct quote q = {};
    struct pkt_info* pkt = pkt_info();
    struct bp_flow_key* key;
    struct bp_flow* flow;
    __be16 listen_port = 0, candidate = 0;
    __u32 entry;

    if (!pkt || packet_unpack(&error, packed_error) != PARSED) return NO_OUTCOME;
    key = &pkt->key;
    if (!read_quote(skb, &error, &q, key->peer, key->local)) return NO_OUTCOME;
    entry = port_entry(rules_side(), q.l4.proto, q.ports.destination);
    if (!(entry & BP_PORT_TARGET)) return NO_OUTCOME;
    key->peer_port = q.ports.source;
    key->target_port = q.ports.destination;
    flow = READ(skb, ingress_ifindex) ? NULL : flow_lookup(q.l4.proto, key);
    if (!flow && (entry & BP_PORT_FORWARDED)) {
        if (q.l4.proto == BP_TCP) candidate = candidate_port(skb, key, q.packet.transport);
        flow = forward_lookup(q.l4.proto, key);
    }
    if (candidate)
        listen_port = candidate;
    else if (flow && flow->target_port == q.ports.destination)
        listen_port = flow->listen_port;
    if (!listen_port) return NO_OUTCOME;
    if (!rewrite_quote(skb, &q, DESTINATION_PORT, q.ports.destination, listen_port))
        return BP_OUTCOME_WRITE_FAILED;
    return BP_OUTCOME_ICMP_OUT;
}

#endif
