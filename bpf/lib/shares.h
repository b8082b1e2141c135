/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Shares: which of the rules that share a listen port by weight a packet takes.
 *
 * A new flow takes the one that bp_share_hash() tells. A flow that exists stays where it began, whatever the
 * weights are now: each of the rules is searched for its record, and, without one, for its socket. At most
 * one of them has a record of a client's flow.
 */
#ifndef BPFPORT_LIB_SHARES_H
#define BPFPORT_LIB_SHARES_H

#include "bpfport/meta.h"
#include "lib/flows.h"
#include "lib/rules.h"
#include "lib/tuple.h"

static __always_inline struct bp_flow flow_of(const struct pkt_info* pkt)
{
    return (struct bp_flow){pkt->orig_port, pkt->target_port, pkt->rule, tick()};
}

static __always_inline enum holder target_holder(struct __sk_buff* skb, const struct pkt_info* pkt)
{
    return pkt->proto == BP_UDP ? bp_udp_holder(skb, pkt->key.target_port)
                                : tcp_holder(skb, pkt->key.target_port).kind;
}

/* With --exclusive a listener may be hidden from flows without a record (exclusive.bpf.c): the flow in
 * pkt_info() is recorded, and looked up again. If there is none, it is not on record afterwards. */
static __always_inline bool has_hidden_listener(struct __sk_buff* skb, const struct pkt_info* pkt)
{
    flow_store(pkt->proto, &pkt->key, flow_of(pkt));
    if (target_holder(skb, pkt) != HOLDER_NONE) return true;
    flow_delete(pkt->proto, &pkt->key);
    return false;
}

/* Whether the flow in pkt_info() is on record at the rule. */
GLOBAL int bp_shared_flow(struct __sk_buff* skb, __u32 id)
{
    struct pkt_info* pkt = pkt_info();
    const struct bp_rule* rule;
    struct bp_flow* flow;

    if (!pkt) return 0;
    rule = rules_get(rules_side(), id);
    if (!rule) return 0;
    pkt->key.target_port = rule_target(rule, pkt->orig_port);
    flow = flow_lookup(pkt->proto, &pkt->key);
    if (!flow) return 0;
    if (pkt->proto == BP_UDP)
        return is_own_flow(flow, pkt->orig_port) ||
               (flow->listen_port == pkt->orig_port && in_use(flow));
    if (flow->listen_port != pkt->orig_port) return 0;
    /* The hint of a connection with this tuple that is over. */
    if (pkt->opens && tcp_holder(skb, pkt->key.target_port).kind < HOLDER_HANDSHAKE) {
        bpf_map_delete_elem(&bp_hints, &pkt->key);
        return 0;
    }
    return 1;
}

/* What the functions return that are called in loops, instead of an id: the rules that share are all tried. A
 * loop has only the call of such a function, and the function the bounds: so the verifier has little to follow,
 * and no compiler finds a way to make the loop's end unknown to it. */
#define NO_MORE_SHARES 0xffffffff

/* Of the rules that share the listen port with rule `id`, the one at `index`, if it has the flow in pkt_info();
 * 0: it has not. */
GLOBAL __u32 bp_shared_flow_at(struct __sk_buff* skb, __u32 id, __u32 index)
{
    __u32 side = rules_side();
    const struct bp_rule* rule = rules_get(side, id);

    if (!rule || index >= shares_count(side, rule->shares)) return NO_MORE_SHARES;
    id = sharing_rule(side, rule->shares + 1 + index);
    return bp_shared_flow(skb, id) ? id : 0;
}

/* The same if a socket on its target port, or on the one before that, has the connection in pkt_info(), whose
 * hint is lost. */
GLOBAL __u32 bp_shared_socket_at(struct __sk_buff* skb, __u32 id, __u32 index)
{
    __u32 side = rules_side();
    const struct bp_rule* rule = rules_get(side, id);
    struct pkt_info* pkt = pkt_info();

    if (!pkt || !rule || index >= shares_count(side, rule->shares)) return NO_MORE_SHARES;
    id = sharing_rule(side, rule->shares + 1 + index);
    rule = rules_get(side, id);
    if (!rule) return NO_MORE_SHARES;
    if (bp_has_connection(skb, rule_target(rule, pkt->orig_port))) return id;
    if (!rule->old_target_first) return 0;
    return bp_has_connection(skb, rule_old_target(rule, pkt->orig_port)) ? id : 0;
}

/* Whether the packet in pkt_info() may belong to a flow on a target port: no connection on the listen port
 * has its tuple. */
GLOBAL int bp_may_be_redirected(struct __sk_buff* skb)
{
    struct pkt_info* pkt = pkt_info();

    if (!pkt) return 0;
    return pkt->proto == BP_UDP || pkt->opens ||
           tcp_holder(skb, pkt->orig_port).kind < HOLDER_HANDSHAKE;
}

/* Of the rules that share the listen port with rule `id`, the one that has the flow in pkt_info(); 0: none.
 * Leaves the key's target_port undefined. */
GLOBAL __u32 bp_recorded_share(struct __sk_buff* skb, __u32 id)
{
    const struct bp_rule* rule = rules_get(rules_side(), id);
    struct pkt_info* pkt = pkt_info();
    __u32 found = 0;

    if (!pkt || !rule) return 0;
    /* A hint at another target may be that of a connection before this one, which sk_lookup steered. */
    if (rule->engine == BP_ENGINE_SKLOOKUP && !bp_may_be_redirected(skb)) return 0;
    if (bp_shared_flow(skb, id)) return id;
    for (__u32 i = 0; i < BP_MAX_SHARES; i++) {
        found = bp_shared_flow_at(skb, id, i);
        if (found) break;
    }
    if (found != NO_MORE_SHARES) return found;
    if (pkt->proto == BP_UDP || pkt->opens || !bp_may_be_redirected(skb)) return 0;
    for (__u32 i = 0; i < BP_MAX_SHARES; i++) {
        found = bp_shared_socket_at(skb, id, i);
        if (found) break;
    }
    return found == NO_MORE_SHARES ? 0 : found;
}

/* The same for the flow of the key in pkt_info(), where that is not the flow of the packet. */
static __always_inline __u32 recorded_share_of(struct __sk_buff* skb, struct pkt_info* pkt,
                                               __u32 id, __u8 proto, __be16 listen_port)
{
    pkt->proto = proto;
    pkt->orig_port = listen_port;
    pkt->opens = false;
    return bp_recorded_share(skb, id);
}

/* --on-absent next: rule `id` at step 0, then those that share the listen port with it, one at each step. The
 * id of that rule, if a program listens on its target port for the packet in pkt_info(), or has its flow. */
GLOBAL __u32 bp_listening_share(struct __sk_buff* skb, __u32 id, __u32 step)
{
    __u32 side = rules_side();
    const struct bp_rule* rule = rules_get(side, id);
    struct pkt_info* pkt = pkt_info();
    const struct bp_flow* flow;

    if (!pkt || !rule || step > shares_active(side, rule->shares)) return NO_MORE_SHARES;
    if (step) {
        id = sharing_rule(side, next_share(side, rule, &pkt->key, step - 1));
        rule = rules_get(side, id);
        if (!rule) return NO_MORE_SHARES;
    }
    pkt->rule = id;
    pkt->target_port = rule_target(rule, pkt->orig_port);
    pkt->key.target_port = pkt->target_port;
    flow = flow_lookup(pkt->proto, &pkt->key);
    /* An answer to a datagram of this host is for the socket that sent it (bp_admit). */
    if (flow && pkt->proto == BP_UDP && is_own_flow(flow, pkt->orig_port)) return id;
    if (target_holder(skb, pkt) != HOLDER_NONE) return id;
    if (flow || !(rule->flags & BP_RULE_EXCLUSIVE) || !has_hidden_listener(skb, pkt)) return 0;
    flow_delete(pkt->proto, &pkt->key); /* recorded when it is admitted */
    return id;
}

/* The rule that the packet in pkt_info() takes, of those that share the listen port with rule `id`, which is
 * the one for a new flow. With --on-absent next, a flow begins at one whose target has a listener. Leaves the
 * key's target_port undefined. */
GLOBAL __u32 bp_share(struct __sk_buff* skb, __u32 id)
{
    const struct bp_rule* rule = rules_get(rules_side(), id);
    struct pkt_info* pkt = pkt_info();
    __u32 found = bp_recorded_share(skb, id);

    if (found) id = found;
    if (!pkt || !rule || !pkt->opens || rule->on_absent != BP_ABSENT_NEXT) return id;
    for (__u32 step = 0; step <= BP_MAX_SHARES; step++) {
        found = bp_listening_share(skb, id, step);
        if (found) break;
    }
    return found && found != NO_MORE_SHARES ? found : id;
}

#endif
