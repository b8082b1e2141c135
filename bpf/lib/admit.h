/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Admit: whether a packet whose flow is not known yet may be redirected, and, if so, remembers its
 * flow. Run once for a flow, not for every packet; shared by tc and XDP.
 *
 * The rule that governs all: the older connection always wins. A packet never flips a connection
 * that lives, whoever sends it, and a tuple that both a redirected and a direct connection claim
 * goes to the one that was there first. The same holds for UDP flows while they are in use, and for
 * connections that are only forwarded (lib/contest.h).
 */
#ifndef BPFPORT_LIB_ADMIT_H
#define BPFPORT_LIB_ADMIT_H

#include "lib/contest.h"
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
    EVICT,    /* a SYN: turned into the reset that ends the handshake in its way */
};

static __always_inline enum verdict leave(enum bp_outcome outcome)
{
    note(outcome);
    return LEAVE;
}

static __always_inline struct bp_flow flow_of(const struct query* q)
{
    return (struct bp_flow){q->listen_port, q->target_port, q->rule, tick()};
}

static __always_inline enum verdict remember(const struct query* q)
{
    if (!flow_store(q->proto, &q->key, flow_of(q))) note(BP_OUTCOME_FLOW_LOST);
    if (q->proto == BP_UDP) {
        asked_store(&q->key);
        note_flow(q);
    }
    return REDIRECT;
}

/* A datagram of a flow that another port has: `older` was there first. The peer sees no answer, or it
 * would come from the older's port. */
static __always_inline enum verdict taken(const struct bp_flow* older)
{
    note(outcome_of_taken(older));
    return DISCARD;
}

/* A datagram that this host forwards. */
static __always_inline enum verdict forward_udp(const struct query* q)
{
    struct bp_flow* known = forward_udp_lookup(&q->key);

    if (is_taken(known, q->listen_port)) return taken(known);
    if (known && known->listen_port == q->listen_port) {
        flow_used(known);
        return REDIRECT;
    }
    if (!forward_udp_store(&q->key, flow_of(q))) note(BP_OUTCOME_FLOW_LOST);
    note_flow(q);
    return REDIRECT;
}

static __always_inline enum verdict nobody_listens(const struct bp_rule* rule)
{
    if (rule->on_absent == BP_ABSENT_PASS) return leave(BP_OUTCOME_ABSENT_PASSED);
    note(BP_OUTCOME_ABSENT_DROPPED);
    return DISCARD;
}

/* The query's packet, which begins something, finds no listener on the target. Under --exclusive that may
 * be because its program shows one to flows on record only, so this one is put there and asks again. */
GLOBAL int bp_admit_unseen(struct __sk_buff* skb)
{
    struct query* q = query();
    const struct bp_rule* rule;
    enum owner owner;

    if (!q) return LEAVE;
    rule = rules_get(rules_side(), q->rule);
    if (!(rule->flags & BP_RULE_EXCLUSIVE)) return nobody_listens(rule);
    flow_store(q->proto, &q->key, flow_of(q));
    owner = q->proto == BP_UDP ? bp_udp_owner(skb, q->target_port)
                               : tcp_owner(skb, q->target_port).owner;
    if (owner != OWNER_NONE) return remember(q);
    flow_delete(q->proto, &q->key);
    return nobody_listens(rule);
}

/* Of the newer of two on one tuple. A handshake may be nobody's: its SYN was a stranger's, and no reset
 * shall tell the real client that it is refused. Its SYN comes again after a second. A handshake that
 * still waits then (an honest one has long become a connection) is ended, and the third SYN goes its
 * way. Where the program can't read the numbers for that, the handshake has to expire. */
static __always_inline enum verdict refusal(enum owner older, enum proof proof)
{
    if (older != OWNER_HANDSHAKE) return REFUSE;
    return proof == OVERDUE ? EVICT : DISCARD;
}

static __always_inline bool is_open_question(enum owner owner)
{
    return owner == OWNER_HANDSHAKE || owner == OWNER_UNKNOWN;
}

static __always_inline enum verdict admit_tcp(struct __sk_buff* skb, struct query* q,
                                              const struct bp_rule* rule)
{
    struct tenure tenure = tcp_owner(skb, q->listen_port);
    enum proof proof = DISPROVEN;

    /* A server that was on the listen port before us, or a connection opened from there. */
    if (tenure.owner >= OWNER_HANDSHAKE || (tenure.owner == OWNER_CLOSED && !q->opens))
        return leave(BP_OUTCOME_LISTEN_SOCKET);
    if (tenure.owner == OWNER_KEEPER && rule_spares(rule, q->key.local))
        return leave(BP_OUTCOME_LISTEN_SOCKET);

    /* Connections to the target before the last change of the rule stay there. */
    if (rule->old_target_first) {
        __be16 old = rule_old_target(rule, q->listen_port);

        tenure = tcp_owner(skb, old);
        if ((tenure.owner == OWNER_REDIRECTED && tenure.listen_port == q->listen_port) ||
            (is_open_question(tenure.owner) && bp_proof(skb, old) == PROVEN)) {
            q->target_port = old;
            return remember(q);
        }
    }

    tenure = tcp_owner(skb, q->target_port);
    if (tenure.owner == OWNER_REDIRECTED && tenure.listen_port == q->listen_port)
        return remember(q);
    if (is_open_question(tenure.owner)) {
        struct bp_flow* hint = flow_lookup(BP_TCP, &q->key);

        /* A handshake of ours: the SYN-ACK or the first data went through this hint. */
        if (hint && hint->listen_port == q->listen_port) return REDIRECT;
        proof = bp_proof(skb, q->target_port);
        if (proof == PROVEN) return remember(q);
        /* TCP itself lets no wrong number end a handshake. A SYN might be another client's: it comes
         * again when this one is settled. */
        if (proof == UNDECIDED) return q->opens ? DISCARD : REDIRECT;
    }
    if (tenure.owner >= OWNER_HANDSHAKE) {
        note(BP_OUTCOME_OLDER_DIRECT);
        return q->opens ? refusal(tenure.owner, proof) : LEAVE;
    }
    if (q->known_only) return LEAVE;
    if (rule->flags & BP_RULE_DRAINING) return leave(BP_OUTCOME_DRAINING);
    if (rule->on_absent != BP_ABSENT_RESET && tenure.owner == OWNER_NONE && q->opens)
        return bp_admit_unseen(skb);
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
    if (is_taken(known, q->listen_port)) return taken(known);
    if ((rule->flags & BP_RULE_DRAINING) && !ours) return leave(BP_OUTCOME_DRAINING);
    if (rule->on_absent != BP_ABSENT_RESET && bp_udp_owner(skb, q->target_port) == OWNER_NONE)
        return ours ? nobody_listens(rule) : bp_admit_unseen(skb);
    if (!ours) return remember(q);
    flow_used(known);
    return REDIRECT;
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
        if (!(rule->flags & BP_RULE_FORWARDED)) return leave(BP_OUTCOME_NOT_LOCAL);
        if (q->proto == BP_UDP) return forward_udp(q);
        if (bp_contend(skb, q->rule)) note_flow(q);
        return REDIRECT;
    default:
        return leave(BP_OUTCOME_NOT_LOCAL);
    }
    return q->proto == BP_TCP ? admit_tcp(skb, q, rule) : admit_udp(skb, q, rule);
}

/* A datagram straight to a target port, and the flow it belongs to. */
static __always_inline enum verdict direct_udp(struct __sk_buff* skb, struct query* q,
                                               struct bp_flow* flow)
{
    struct bp_flow direct = {0, q->target_port, 0, tick()};
    struct bp_flow* forward = NULL;
    __u32 locality = LOCAL;

    if (address_is_multicast(q->key.local)) return LEAVE;
    /* Redirected by XDP: had it come straight to the target port, the flow would be direct. */
    if (q->after_xdp && flow && flow->listen_port) return LEAVE;
    if (q->slot & BP_PORT_FORWARDED) forward = forward_udp_lookup(&q->key);
    if (!flow || (q->slot & BP_PORT_ANY_EXCLUSIVE))
        locality = forward ? FORWARDED : bp_locality(skb);
    if (locality == FORWARDED) {
        if (is_taken(forward, 0)) return taken(forward);
        if (q->slot & BP_PORT_FORWARDED) forward_udp_store(&q->key, direct);
        return LEAVE;
    }
    if (locality != LOCAL) return LEAVE;
    /* A flow on record as direct is one this host began (see tc_out). */
    if ((q->slot & BP_PORT_ANY_EXCLUSIVE) &&
        (!flow || flow->listen_port || flow->target_port != q->target_port)) {
        note(BP_OUTCOME_EXCLUSIVE);
        return DISCARD;
    }
    if (is_taken(flow, 0)) return taken(flow);
    /* This host's own, from the listen port: the answers to that are for its sender (own.h). */
    if (flow && flow->target_port != q->target_port && in_use(flow)) return LEAVE;
    flow_store(BP_UDP, &q->key, direct);
    return LEAVE;
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
    if (q->proto == BP_UDP) return direct_udp(skb, q, flow);
    if (q->slot & BP_PORT_FORWARDED) bp_contend(skb, 0);
    if (q->ifindex == LOOPBACK_INDEX && flow && !bp_has_local_client(skb)) return LEAVE;

    tenure = tcp_owner(skb, q->target_port);
    if (tenure.owner == OWNER_REDIRECTED || (is_open_question(tenure.owner) && flow)) {
        note(BP_OUTCOME_OLDER_REDIRECTED);
        return refusal(tenure.owner, bp_proof(skb, q->target_port));
    }
    if (tenure.owner >= OWNER_HANDSHAKE) return LEAVE;
    if ((q->slot & BP_PORT_ANY_EXCLUSIVE) && bp_locality(skb) == LOCAL) {
        note(BP_OUTCOME_EXCLUSIVE);
        return q->slot & BP_PORT_EXCLUSIVE_DROP ? DISCARD : REFUSE;
    }
    /* What an earlier redirected connection with this tuple left behind. */
    if (flow) bpf_map_delete_elem(&bp_hints, &q->key);
    return LEAVE;
}

#endif
