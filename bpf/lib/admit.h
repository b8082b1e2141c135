/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Admit: whether a packet whose flow is not recorded may be redirected; if so, its flow is
 * recorded. Runs once for a flow, not for each packet.
 *
 * The older connection wins: no packet of any sender changes the port of a connection that exists,
 * and a tuple that a redirected and a direct connection both want belongs to the older one. The
 * same holds for UDP flows while they are in use, and for forwarded connections (lib/forward.h).
 */
#ifndef BPFPORT_LIB_ADMIT_H
#define BPFPORT_LIB_ADMIT_H

#include "lib/flows.h"
#include "lib/forward.h"
#include "lib/l4.h"
#include "lib/rules.h"
#include "lib/shares.h"
#include "lib/trace.h"
#include "lib/tuple.h"

enum verdict {
    REDIRECT,      /* to pkt_info.target_port */
    LEAVE,         /* left alone */
    SEND_RESET,    /* TCP: answered with a reset */
    DROP,          /* dropped without an answer */
    END_HANDSHAKE, /* a SYN: becomes the reset that ends the handshake with the same tuple */
};

static __always_inline enum verdict leave(enum bp_outcome outcome)
{
    report(outcome);
    return LEAVE;
}

/* Records the flow of the packet in pkt_info(). */
GLOBAL int bp_record_flow(void)
{
    struct pkt_info* pkt = pkt_info();

    if (!pkt) return REDIRECT;
    if (!flow_store(pkt->proto, &pkt->key, flow_of(pkt))) report(BP_OUTCOME_FLOW_LOST);
    if (pkt->proto == BP_UDP) {
        last_local_store(&pkt->key);
        report_flow(pkt);
    }
    return REDIRECT;
}

/* A datagram of a flow that is in use through another port. It is dropped: the answer would come
 * from that port. */
static __always_inline enum verdict drop_newer(const struct bp_flow* older)
{
    report(outcome_of_taken(older));
    return DROP;
}

/* A forwarded datagram. */
static __always_inline enum verdict forward_udp(const struct pkt_info* pkt)
{
    struct bp_flow* known = forward_udp_lookup(&pkt->key);

    if (is_taken(known, pkt->orig_port)) return drop_newer(known);
    if (known && known->listen_port == pkt->orig_port) {
        flow_used(known);
        return REDIRECT;
    }
    if (!forward_udp_store(&pkt->key, flow_of(pkt))) report(BP_OUTCOME_FLOW_LOST);
    report_flow(pkt);
    return REDIRECT;
}

/* The target port has no listener, and the rule is not --on-absent reset. */
static __always_inline enum verdict no_listener(const struct bp_rule* rule)
{
    if (rule->on_absent == BP_ABSENT_PASS) return leave(BP_OUTCOME_ABSENT_PASSED);
    report(BP_OUTCOME_ABSENT_DROPPED);
    return DROP;
}

/* The first packet of a flow finds no listener on the target port, unless that is hidden. */
GLOBAL int bp_admit_no_listener(struct __sk_buff* skb)
{
    struct pkt_info* pkt = pkt_info();
    const struct bp_rule* rule;

    if (!pkt) return LEAVE;
    rule = rules_get(rules_side(), pkt->rule);
    if (!rule) return LEAVE;
    if ((rule->flags & BP_RULE_EXCLUSIVE) && has_hidden_listener(skb, pkt)) return bp_record_flow();
    return no_listener(rule);
}

/* Whether a packet is neither redirected nor answered by a reset where no program listens. */
static __always_inline bool checks_listener(const struct bp_rule* rule)
{
    return rule->on_absent == BP_ABSENT_DROP || rule->on_absent == BP_ABSENT_PASS;
}

/* For a SYN whose tuple an older connection holds. If that is an unfinished handshake, its SYN may
 * have been spoofed, so the client gets no reset; it repeats its SYN after a second. A handshake
 * that is unfinished then is ended, and the next SYN is served. Where the program can't read the
 * handshake's numbers, the handshake must time out. */
static __always_inline enum verdict refuse_newer(enum holder older, enum proof proof)
{
    if (older != HOLDER_HANDSHAKE) return SEND_RESET;
    return proof == OVERDUE ? END_HANDSHAKE : DROP;
}

static __always_inline enum verdict admit_tcp(struct __sk_buff* skb, struct pkt_info* pkt,
                                              const struct bp_rule* rule)
{
    struct tuple_holder holder = tcp_holder(skb, pkt->orig_port);
    enum proof proof = DISPROVEN;

    /* A server that was on the listen port before the rule, or a connection that was opened from
     * it. */
    if (holder.kind >= HOLDER_HANDSHAKE || (holder.kind == HOLDER_TIME_WAIT && !pkt->opens))
        return leave(BP_OUTCOME_LISTEN_SOCKET);
    if (holder.kind == HOLDER_LO_LISTENER && rule_exempts(rule, pkt->key.local))
        return leave(BP_OUTCOME_LISTEN_SOCKET);

    /* Connections that are older than the last change of the rule's target stay on the old one. */
    if (rule->old_target_first) {
        __be16 old = rule_old_target(rule, pkt->orig_port);

        if (bp_has_connection(skb, old)) {
            pkt->target_port = old;
            return bp_record_flow();
        }
    }

    holder = tcp_holder(skb, pkt->target_port);
    if (holder.kind == HOLDER_REDIRECTED && holder.listen_port == pkt->orig_port)
        return bp_record_flow();
    if (needs_proof(holder.kind)) {
        struct bp_flow* hint = flow_lookup(BP_TCP, &pkt->key);

        /* A redirected handshake or connection: its SYN left this hint. */
        if (hint && hint->listen_port == pkt->orig_port) return REDIRECT;
        proof = bp_proof(skb, pkt->target_port);
        if (proof == PROVEN) return bp_record_flow();
        /* TCP itself checks the numbers of an acknowledgement. A SYN may be another client's; it is
         * repeated, and the handshake is finished then. */
        if (proof == UNDECIDED) return pkt->opens ? DROP : REDIRECT;
    }
    if (pkt->known_only) return LEAVE; /* sk_lookup serves both */
    if (holder.kind >= HOLDER_HANDSHAKE) {
        report(BP_OUTCOME_OLDER_DIRECT);
        return pkt->opens ? refuse_newer(holder.kind, proof) : LEAVE;
    }
    if (rule->flags & BP_RULE_DRAINING) return leave(BP_OUTCOME_DRAINING);
    if (checks_listener(rule) && holder.kind == HOLDER_NONE && pkt->opens)
        return bp_admit_no_listener(skb);
    return bp_record_flow();
}

static __always_inline enum verdict admit_udp(struct __sk_buff* skb, struct pkt_info* pkt,
                                              const struct bp_rule* rule)
{
    struct bp_flow* known = flow_lookup(BP_UDP, &pkt->key);
    bool recorded = known && known->listen_port == pkt->orig_port;
    enum holder holder;

    /* An answer to a datagram of this host, for example of a resolver that sends from port 53. */
    if (known && is_own_flow(known, pkt->orig_port)) {
        flow_used(known);
        return leave(BP_OUTCOME_LISTEN_SOCKET);
    }
    holder = bp_udp_holder(skb, pkt->orig_port);
    if (holder == HOLDER_UNRECORDED) return leave(BP_OUTCOME_LISTEN_SOCKET);
    if (holder == HOLDER_LO_LISTENER && rule_exempts(rule, pkt->key.local))
        return leave(BP_OUTCOME_LISTEN_SOCKET);
    if (is_taken(known, pkt->orig_port)) return drop_newer(known);
    if ((rule->flags & BP_RULE_DRAINING) && !recorded) return leave(BP_OUTCOME_DRAINING);
    if (checks_listener(rule) && bp_udp_holder(skb, pkt->target_port) == HOLDER_NONE)
        return recorded ? no_listener(rule) : bp_admit_no_listener(skb);
    if (!recorded) return bp_record_flow();
    flow_used(known);
    return REDIRECT;
}

/* Decides about the packet in pkt_info(), which is to a listen port: enum verdict. */
GLOBAL int bp_admit(struct __sk_buff* skb)
{
    struct pkt_info* pkt = pkt_info();
    const struct bp_rule* rule;

    if (!pkt) return LEAVE;
    rule = rules_get(rules_side(), pkt->rule);
    if (!rule) return LEAVE;
    pkt->target_port = pkt->key.target_port;
    if (address_is_multicast(pkt->key.local)) return leave(BP_OUTCOME_MULTICAST);
    switch (bp_locality(skb)) {
    case LOCAL:
        break;
    case FORWARDED:
        if (!(rule->flags & BP_RULE_FORWARDED)) return leave(BP_OUTCOME_NOT_LOCAL);
        if (pkt->proto == BP_UDP) return forward_udp(pkt);
        if (bp_forward_packet(skb, pkt->rule)) report_flow(pkt);
        return REDIRECT;
    default:
        return leave(BP_OUTCOME_NOT_LOCAL);
    }
    return pkt->proto == BP_TCP ? admit_tcp(skb, pkt, rule) : admit_udp(skb, pkt, rule);
}

/* A datagram straight to a target port. `flow`: the one recorded for its addresses, or NULL. */
static __always_inline enum verdict direct_udp(struct __sk_buff* skb, struct pkt_info* pkt,
                                               struct bp_flow* flow)
{
    struct bp_flow direct = {0, pkt->target_port, 0, tick()};
    struct bp_flow* forward = NULL;
    __u32 locality = LOCAL;

    if (address_is_multicast(pkt->key.local)) return LEAVE;
    /* The XDP program redirected it: else it would have recorded the flow as direct. */
    if (pkt->after_xdp && flow && flow->listen_port) return LEAVE;
    if (pkt->entry & BP_PORT_FORWARDED) forward = forward_udp_lookup(&pkt->key);
    if (!flow || (pkt->entry & BP_PORT_ANY_EXCLUSIVE))
        locality = forward ? FORWARDED : bp_locality(skb);
    if (locality == FORWARDED) {
        if (is_taken(forward, 0)) return drop_newer(forward);
        if (pkt->entry & BP_PORT_FORWARDED) forward_udp_store(&pkt->key, direct);
        return LEAVE;
    }
    if (locality != LOCAL) return LEAVE;
    /* A flow that is recorded as direct was begun by this host (lib/reply.h). */
    if ((pkt->entry & BP_PORT_ANY_EXCLUSIVE) &&
        (!flow || flow->listen_port || flow->target_port != pkt->target_port)) {
        report(BP_OUTCOME_EXCLUSIVE);
        return DROP;
    }
    if (is_taken(flow, 0)) return drop_newer(flow);
    /* Begun by a socket of this host on the listen port: answers are for that socket
     * (lib/reply.h). */
    if (flow && flow->target_port != pkt->target_port && in_use(flow)) return LEAVE;
    flow_store(BP_UDP, &pkt->key, direct);
    return LEAVE;
}

/* Decides about the packet in pkt_info(), which goes straight to a target port: enum verdict. Its
 * replies must not be translated. A redirected connection with the same tuple would answer its SYN
 * with a challenge ACK, which the client ignores until it times out: such a SYN gets a reset. */
GLOBAL int bp_admit_direct(struct __sk_buff* skb)
{
    struct pkt_info* pkt = pkt_info();
    struct bp_flow* flow;
    struct tuple_holder holder;

    if (!pkt) return LEAVE;
    flow = flow_lookup(pkt->proto, &pkt->key);
    pkt->target_port = pkt->key.target_port;
    if (pkt->proto == BP_UDP) return direct_udp(skb, pkt, flow);
    if (pkt->entry & BP_PORT_FORWARDED) bp_forward_packet(skb, 0);
    if (pkt->ifindex == LOOPBACK_INDEX && flow && !bp_has_local_client(skb)) return LEAVE;

    holder = tcp_holder(skb, pkt->target_port);
    if (holder.kind == HOLDER_REDIRECTED || (needs_proof(holder.kind) && flow)) {
        report(BP_OUTCOME_OLDER_REDIRECTED);
        return refuse_newer(holder.kind, bp_proof(skb, pkt->target_port));
    }
    if (holder.kind >= HOLDER_HANDSHAKE) return LEAVE;
    if ((pkt->entry & BP_PORT_ANY_EXCLUSIVE) && bp_locality(skb) == LOCAL) {
        report(BP_OUTCOME_EXCLUSIVE);
        return pkt->entry & BP_PORT_EXCLUSIVE_DROP ? DROP : SEND_RESET;
    }
    /* The hint of an earlier redirected connection with this tuple. */
    if (flow) bpf_map_delete_elem(&bp_hints, &pkt->key);
    return LEAVE;
}

#endif
