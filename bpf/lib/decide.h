/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Decide: what the tc engine does with a packet to a port that has a slot in the table, when the usual
 * path (tc.bpf.c: one rule, a flow on record) can't tell.
 */
#ifndef BPFPORT_LIB_DECIDE_H
#define BPFPORT_LIB_DECIDE_H

#include "lib/admit.h"
#include "lib/after_xdp.h"
#include "lib/cookies.h"
#include "lib/mark.h"
#include "lib/standby.h"

static __always_inline bool wrong_vlan(struct __sk_buff* skb, const struct packet* p,
                                       const struct bp_rule* rule)
{
    return !(rule->flags & BP_RULE_VLAN) &&
           (p->tagged || (READ(skb, vlan_present) && (READ(skb, vlan_tci) & 0x0fff)));
}

/* The flow goes on as it is on record, without a question about sockets. */
static __always_inline bool is_settled(const struct bp_flow* flow, const struct query* q,
                                       const struct bp_rule* rule)
{
    return flow && flow->listen_port == q->listen_port &&
           !(q->opens &&
             (q->known_only || (rule->flags & BP_RULE_RECHECK) || rule_spares(rule, q->key.local)));
}

/* The query's packet goes to a port that no rule takes here: another scope's listen port, or a target
 * port that a client addresses directly. */
static __always_inline int without_rule(struct __sk_buff* skb, struct query* q,
                                        const struct packet* p)
{
    if (!(q->slot & BP_PORT_TARGET)) return leave(BP_OUTCOME_OTHER_SCOPE);
    q->key.target_port = q->listen_port;
    q->listen_port = 0;
    q->after_xdp = q->proto == BP_UDP && seen_by_xdp(p, q->ifindex);
    if (q->after_xdp) {
        mark(skb); /* what XDP has settled, no other hook may settle again */
        if (!(q->slot & (BP_PORT_ANY_EXCLUSIVE | BP_PORT_FORWARDED))) return LEAVE;
    }
    return bp_admit_direct(skb);
}

/* The query's packet is no SYN and goes straight to a target port. What it says of a tuple that has no
 * socket yet is true only of an acknowledgement that brings a cookie back, and does no harm else: who
 * was redirected sends to the listen port, and so leaves the hint again. */
GLOBAL int bp_end_hint(struct __sk_buff* skb)
{
    struct query* q = query();
    struct bp_flow* hint;
    enum owner owner;

    if (!q) return 0;
    q->key.target_port = q->listen_port;
    hint = bpf_map_lookup_elem(&bp_hints, &q->key);
    if (!hint) return 0;
    /* A SYNPROXY's, on behalf of a client elsewhere. */
    if (q->ifindex == LOOPBACK_INDEX && !bp_has_local_client(skb)) return 0;
    owner = tcp_owner(skb, q->key.target_port).owner;
    if (owner == OWNER_LISTENER || owner == OWNER_KEEPER) bpf_map_delete_elem(&bp_hints, &q->key);
    return 0;
}

/* What becomes of the query's packet, whose destination port has a slot: enum verdict. For REDIRECT the
 * query holds the rule and the target. A GLOBAL of its own: the verifier takes the usual path and this
 * one side by side instead of one after the other. */
GLOBAL int bp_decide(struct __sk_buff* skb, __u64 packed)
{
    const struct bp_table_side* side = rules_side();
    struct query* q = query();
    const struct bp_rule* rule;
    struct bp_flow* flow;
    struct packet p;
    __u32 id;

    if (!q || packet_unpack(&p, packed) != PARSED) return LEAVE;
    id = q->slot & BP_PORT_SET ? find_rule_quickly(side, q->slot, q->ifindex) : 0;
    if (id == ASK_IN_FULL) id = bp_find_rule(q->slot);
    if (!id && !q->opens && (q->slot & BP_PORT_TARGET)) {
        if (cookies_in_use()) bp_end_hint(skb);
        return LEAVE;
    }
    if (!id) return without_rule(skb, q, &p);
    rule = rules_get(side, id);
    if (wrong_vlan(skb, &p, rule)) return leave(BP_OUTCOME_TAGGED);
    q->rule = id;
    q->key.target_port = rule_target(rule, q->listen_port);
    if (rule->engine == BP_ENGINE_SKLOOKUP && !stands_in(q, rule) &&
        (q->proto != BP_UDP || !bp_keep_udp(skb)))
        return LEAVE;
    flow = flow_lookup(q->proto, &q->key);
    if (!is_settled(flow, q, rule)) return bp_admit(skb);
    q->target_port = flow->target_port;
    if (q->proto == BP_UDP) flow_used(flow);
    return REDIRECT;
}

#endif
