/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Admit: whether a packet whose flow is not known yet may be redirected, and, if so, remembers its
 * flow. Run once for a flow, not for every packet; shared by tc and XDP.
 *
 * The rule that governs all: the older connection always wins. A packet never flips a connection
 * that lives, whoever sends it, and a tuple that both a redirected and a direct connection claim
 * goes to the one that was there first.
 */
#ifndef BPFPORT_LIB_ADMIT_H
#define BPFPORT_LIB_ADMIT_H

#include "lib/flows.h"
#include "lib/l4.h"
#include "lib/own.h"
#include "lib/owner.h"
#include "lib/proof.h"
#include "lib/rules.h"
#include "lib/trace.h"

enum verdict {
    REDIRECT, /* to query.target_port */
    LEAVE,    /* untouched */
    REFUSE,   /* TCP: answered with a reset */
    DISCARD,  /* dropped without an answer */
};

static __always_inline enum verdict leave(enum bp_outcome outcome)
{
    note(outcome);
    return LEAVE;
}

static __always_inline enum verdict remember(const struct query* q)
{
    struct bp_flow flow = {q->listen_port, q->target_port, q->rule, tick()};

    if (!flow_store(q->proto, &q->key, flow)) note(BP_OUTCOME_FLOW_LOST);
    if (q->proto == BP_UDP) {
        asked_store(&q->key);
        note_flow(q);
    }
    return REDIRECT;
}

/* A flow this host forwards: no socket here, so the last port seen wins, for TCP as for UDP. */
static __always_inline enum verdict admit_forwarded(const struct query* q)
{
    struct bp_flow flow = {q->listen_port, q->target_port, q->rule, 0};
    struct bp_flow* known = forward_lookup(q->proto, &q->key);

    if (known && known->listen_port == q->listen_port) return REDIRECT;
    if (!forward_store(q->proto, &q->key, flow)) note(BP_OUTCOME_FLOW_LOST);
    note_flow(q);
    return REDIRECT;
}

static __always_inline enum verdict nobody_listens(const struct bp_rule* rule)
{
    if (rule->on_absent == BP_ABSENT_PASS) return leave(BP_OUTCOME_ABSENT_PASSED);
    note(BP_OUTCOME_ABSENT_DROPPED);
    return DISCARD;
}

static __always_inline enum verdict admit_tcp(struct __sk_buff* skb, struct query* q,
                                              const struct bp_rule* rule)
{
    struct tenure tenure = tcp_owner(skb, q->listen_port);

    /* A server that was on the listen port before us, or a connection opened from there. */
    if (tenure.owner >= OWNER_UNKNOWN || (tenure.owner == OWNER_CLOSED && !q->opens))
        return leave(BP_OUTCOME_LISTEN_SOCKET);
    if (tenure.owner == OWNER_KEEPER && rule_spares(rule, q->key.local))
        return leave(BP_OUTCOME_LISTEN_SOCKET);

    /* Connections to the target before the last change of the rule stay there. */
    if (rule->old_target_first) {
        __be16 old = rule_old_target(rule, q->listen_port);

        tenure = tcp_owner(skb, old);
        if ((tenure.owner == OWNER_REDIRECTED && tenure.listen_port == q->listen_port) ||
            (tenure.owner == OWNER_UNKNOWN && bp_proof(skb, old) == PROVEN)) {
            q->target_port = old;
            return remember(q);
        }
    }

    tenure = tcp_owner(skb, q->target_port);
    if (tenure.owner == OWNER_REDIRECTED && tenure.listen_port == q->listen_port)
        return remember(q);
    if (tenure.owner == OWNER_UNKNOWN) {
        struct bp_flow* hint = flow_lookup(BP_TCP, &q->key);

        /* A handshake of ours: the SYN-ACK or the first data went through this hint. */
        if (hint && hint->listen_port == q->listen_port) return REDIRECT;
        switch (bp_proof(skb, q->target_port)) {
        case PROVEN:
            return remember(q);
        case UNDECIDED:
            /* TCP itself lets no wrong number end a handshake. A SYN might be another client's:
             * it comes again when this one is settled. */
            return q->opens ? DISCARD : REDIRECT;
        }
    }
    if (tenure.owner >= OWNER_UNKNOWN) {
        note(BP_OUTCOME_OLDER_DIRECT);
        return q->opens ? REFUSE : LEAVE;
    }
    if (q->known_only) return LEAVE;
    if (rule->flags & BP_RULE_DRAINING) return leave(BP_OUTCOME_DRAINING);
    if (rule->on_absent != BP_ABSENT_RESET && tenure.owner == OWNER_NONE && q->opens)
        return nobody_listens(rule);
    return remember(q);
}

static __always_inline enum verdict admit_udp(struct __sk_buff* skb, struct query* q,
                                              const struct bp_rule* rule)
{
    struct bp_flow* known = flow_lookup(BP_UDP, &q->key);
    bool ours = known && known->listen_port == q->listen_port;
    enum owner owner;

    /* For example a resolver that asks from port 53: the answer is for it. */
    if (known && is_own_flow(known, q->listen_port)) {
        flow_used(known);
        return leave(BP_OUTCOME_LISTEN_SOCKET);
    }
    owner = bp_udp_owner(skb, q->listen_port);
    if (owner == OWNER_UNKNOWN) return leave(BP_OUTCOME_LISTEN_SOCKET);
    if (owner == OWNER_KEEPER && rule_spares(rule, q->key.local))
        return leave(BP_OUTCOME_LISTEN_SOCKET);
    if ((rule->flags & BP_RULE_DRAINING) && !ours) return leave(BP_OUTCOME_DRAINING);
    if (rule->on_absent != BP_ABSENT_RESET && bp_udp_owner(skb, q->target_port) == OWNER_NONE)
        return nobody_listens(rule);
    return ours ? REDIRECT : remember(q);
}

/* Decides about the query's packet to a listen port; returns enum verdict. */
GLOBAL int bp_admit(struct __sk_buff* skb)
{
    struct query* q = query();
    const struct bp_rule* rule;

    if (!q) return LEAVE;
    rule = rules_get(rules_side(), q->rule);
    q->target_port = q->key.target_port;
    if (address_is_multicast(q->key.local)) return leave(BP_OUTCOME_MULTICAST);
    switch (bp_locality(skb)) {
    case LOCAL:
        break;
    case FORWARDED:
        if (rule->flags & BP_RULE_FORWARDED) return admit_forwarded(q);
        return leave(BP_OUTCOME_NOT_LOCAL);
    default:
        return leave(BP_OUTCOME_NOT_LOCAL);
    }
    return q->proto == BP_TCP ? admit_tcp(skb, q, rule) : admit_udp(skb, q, rule);
}

/* A packet straight to a target port: a direct client. Its replies must not be translated, and it
 * must not disturb a redirected connection with the same tuple, which would otherwise answer its
 * SYN with a challenge ACK that this client can't match: it would hang until it times out. */
GLOBAL int bp_admit_direct(struct __sk_buff* skb)
{
    struct query* q = query();
    struct bp_flow* flow;
    struct tenure tenure;

    if (!q) return LEAVE;
    flow = flow_lookup(q->proto, &q->key);
    q->target_port = q->key.target_port;
    if (q->slot & BP_SLOT_FORWARDED) {
        struct bp_flow* forward = forward_lookup(q->proto, &q->key);

        if (forward) forward->listen_port = 0;
    }
    if (q->proto == BP_UDP) {
        /* Redirected by XDP: had it come straight to the target port, the flow would be direct. */
        if (q->after_xdp && flow && flow->listen_port) return LEAVE;
        /* A flow on record as direct is one this host began (see tc_out). */
        if ((q->slot & BP_SLOT_ANY_EXCLUSIVE) &&
            (!flow || flow->listen_port || flow->target_port != q->target_port) &&
            bp_locality(skb) == LOCAL) {
            note(BP_OUTCOME_EXCLUSIVE);
            return DISCARD;
        }
        /* The last port seen wins, at another address of ours as well. */
        if (flow)
            flow_assign(flow, (struct bp_flow){0, q->target_port, 0, tick()});
        else if (asked_lookup(&q->key))
            flow_store(BP_UDP, &q->key, (struct bp_flow){0, q->target_port, 0, tick()});
        return LEAVE;
    }
    if (q->ifindex == LOOPBACK_INDEX && flow && !bp_has_local_client(skb)) return LEAVE;

    tenure = tcp_owner(skb, q->target_port);
    if (tenure.owner == OWNER_REDIRECTED || (tenure.owner == OWNER_UNKNOWN && flow)) {
        note(BP_OUTCOME_OLDER_REDIRECTED);
        return REFUSE;
    }
    if (tenure.owner >= OWNER_UNKNOWN) return LEAVE;
    if ((q->slot & BP_SLOT_ANY_EXCLUSIVE) && bp_locality(skb) == LOCAL) {
        note(BP_OUTCOME_EXCLUSIVE);
        return q->slot & BP_SLOT_EXCLUSIVE_DROP ? DISCARD : REFUSE;
    }
    /* What an earlier redirected connection with this tuple left behind. */
    if (flow) bpf_map_delete_elem(&bp_hints, &q->key);
    return LEAVE;
}

#endif
