/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * ICMP errors: they quote the packet they are about, with the ports that were on the wire. The
 * kernel finds the socket by the quoted ports, so without translation path-MTU discovery and port
 * unreachable break. In: our reply is quoted, its source port becomes the target port again. Out:
 * a client's packet is quoted, its destination port becomes the listen port again.
 *
 * Errors about flows that are not ours keep their ports. A quote may end after 8 bytes of the
 * transport header (RFC 792), so before a TCP checksum.
 */
#ifndef BPFPORT_LIB_ICMP_H
#define BPFPORT_LIB_ICMP_H

#include "lib/admit.h"
#include "lib/contest.h"
#include "lib/parse.h"
#include "lib/rewrite.h"

#define ICMP_CHECKSUM 2 /* offset in ICMP and ICMPv6 */
#define QUOTED_PORTS 8  /* bytes of a transport header that every quote has */

/* The quoted packet's ends, as our flow key has them. */
struct quote {
    struct packet packet;
    struct l4 l4;
    struct ports ports;
    __u32 error; /* offset of the ICMP header */
    __u32 end; /* of the error by its IP header; what a device padded the frame with lies past it */
    bool has_checksum;
};

/* The quoted transport header; NULL where fewer than `bytes` of it are quoted. */
static __always_inline __u8* quoted(struct __sk_buff* skb, const struct quote* q, __u32 bytes)
{
    if (q->packet.transport + bytes > q->end) return NULL;
    return transport(skb, &q->packet, bytes);
}

/* Parses the quote of the ICMP error at `error`; peer and local are the quoted source and
 * destination in the order given. False: nothing for us. */
static __always_inline bool read_quote(struct __sk_buff* skb, const struct packet* error,
                                       struct quote* q, __u8* source, __u8* destination)
{
    __u8* type = transport(skb, error, ICMP_ERROR_HEADER);
    __u8* header;

    if (!type || !is_icmp_error(error, *type)) return false;
    if (parse_ip(skb, &q->packet, error->transport + ICMP_ERROR_HEADER) != PARSED) return false;
    if (q->packet.version != error->version) return false;
    if (!l4_of(&q->l4, q->packet.protocol)) return false;
    q->end = error->claimed ? error->transport + error->claimed : READ(skb, len);
    header = quoted(skb, q, QUOTED_PORTS);
    if (!header) return false;
    q->ports = *(struct ports*)header;
    q->has_checksum = quoted(skb, q, q->l4.checksum + sizeof(__u16)) != NULL;
    q->error = error->transport;
    return packet_addresses(&q->packet, skb_data(skb), skb_end(skb), source, destination);
}

/* Changes the quoted port. When the quoted checksum changes with it, the two cancel in the ICMP
 * checksum; when there is none, the ICMP checksum takes the change. */
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
        if (cancels) flags |= BPF_F_MARK_MANGLED_0; /* zero would say that there is none */
    }
    if (!cancels) checksum = q->error + ICMP_CHECKSUM;
    if (bpf_l4_csum_replace(skb, checksum, from, to, flags)) return false;
    return !bpf_skb_store_bytes(skb, port, &to, sizeof(to), 0);
}

/* The target of `listen_port` by a rule, in the flow that the query's key (without its target) names;
 * 0: not ours. */
GLOBAL __u32 bp_quoted_target(struct __sk_buff* skb, __u32 id, __u32 proto, __u32 listen_port)
{
    const struct bp_rule* rule = rules_get(rules_side(), id);
    struct query* q = query();
    struct bp_flow_key* key;
    struct bp_flow* flow;

    if (!q) return 0;
    key = &q->key;
    key->target_port = rule_target(rule, listen_port);
    flow = flow_lookup(proto, key);
    if (flow && flow->listen_port == listen_port) return flow->target_port;
    if (proto == BP_TCP) {
        struct tenure tenure = tcp_owner(skb, key->target_port);

        if (tenure.owner == OWNER_REDIRECTED && tenure.listen_port == listen_port)
            return key->target_port;
    }
    if (!(rule->flags & BP_RULE_FORWARDED)) return 0;
    flow = forward_lookup(proto, key);
    return flow && flow->listen_port == listen_port ? flow->target_port : 0;
}

#define NO_OUTCOME (-1) /* an error about a flow that is not ours */

/* Both return the enum bp_outcome to count, or NO_OUTCOME. */
GLOBAL int bp_icmp_in(struct __sk_buff* skb, __u64 packed_error)
{
    struct packet error;
    struct quote q = {};
    struct query* query_slot = query();
    struct bp_flow_key* key;
    const struct bp_table_side* side = rules_side();
    const __u16* set;
    __u16 slot;

    if (!query_slot || packet_unpack(&error, packed_error) != PARSED) return NO_OUTCOME;
    key = &query_slot->key;
    if (!read_quote(skb, &error, &q, key->local, key->peer)) return NO_OUTCOME;
    slot = rules_slot(side, q.l4.proto, q.ports.source);
    if (!(slot & BP_PORT_SET)) return NO_OUTCOME;
    set = rules_set(side, slot);
    key->peer_port = q.ports.destination;

    /* The error may come in by another interface than the flow: every rule of the port is asked. */
    for (int i = 0; i < BP_SET_SIZE; i++) {
        __u16 id = set[i];
        __be16 target;

        if (!id) break;
        target = bp_quoted_target(skb, id, q.l4.proto, q.ports.source);
        if (!target) continue;
        if (!rewrite_quote(skb, &q, SOURCE_PORT, q.ports.source, target))
            return BP_OUTCOME_WRITE_FAILED;
        return BP_OUTCOME_ICMP_IN;
    }
    return NO_OUTCOME;
}

GLOBAL int bp_icmp_out(struct __sk_buff* skb, __u64 packed_error)
{
    struct packet error;
    struct quote q = {};
    struct query* query_slot = query();
    struct bp_flow_key* key;
    struct bp_flow* flow;
    __be16 listen_port = 0, claimed = 0;
    __u16 slot;

    if (!query_slot || packet_unpack(&error, packed_error) != PARSED) return NO_OUTCOME;
    key = &query_slot->key;
    if (!read_quote(skb, &error, &q, key->peer, key->local)) return NO_OUTCOME;
    slot = rules_slot(rules_side(), q.l4.proto, q.ports.destination);
    if (!(slot & BP_PORT_TARGET)) return NO_OUTCOME;
    key->peer_port = q.ports.source;
    key->target_port = q.ports.destination;
    flow = READ(skb, ingress_ifindex) ? NULL : flow_lookup(q.l4.proto, key);
    if (!flow && (slot & BP_PORT_FORWARDED)) {
        if (q.l4.proto == BP_TCP) claimed = claimed_by(skb, key, q.packet.transport);
        flow = forward_lookup(q.l4.proto, key);
    }
    if (claimed)
        listen_port = claimed;
    else if (flow && flow->target_port == q.ports.destination)
        listen_port = flow->listen_port;
    if (!listen_port) return NO_OUTCOME;
    if (!rewrite_quote(skb, &q, DESTINATION_PORT, q.ports.destination, listen_port))
        return BP_OUTCOME_WRITE_FAILED;
    return BP_OUTCOME_ICMP_OUT;
}

#endif
