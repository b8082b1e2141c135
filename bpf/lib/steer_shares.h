/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Steer shares: which of the rules that share a listen port by weight a packet or a connection belongs to
 * that sk_lookup steers. As lib/shares.h, but an established connection needs no search here. The functions
 * take pointers, since sk_lookup needs Linux 5.15 anyway; verifiers before 6.6 don't take these as map keys:
 * hence the copies.
 */
#ifndef BPFPORT_LIB_STEER_SHARES_H
#define BPFPORT_LIB_STEER_SHARES_H

#include "lib/flows.h"
#include "lib/listeners.h"
#include "lib/rules.h"
#include "lib/steer.h"

/* Whether tc serves the target port at that address, too. */
static __always_inline bool has_fallback(const struct bp_rule* rule, __be16 target,
                                         const __u8* local)
{
    return (rule->flags & BP_RULE_FALLBACK) && fallback_wanted(target, local);
}

/* The id of the rule whose span has this index, if it has the datagram's flow; 0: it has not. In functions like
 * this one are the bodies of loops: with a call alone in a loop the verifier has little to follow. */
GLOBAL __u32 bp_flow_share_at(const struct bp_flow_key* key, __u32 index, __u32 listen_port)
{
    __u32 side = rules_side();
    __u32 id = sharing_rule(side, index);
    const struct bp_rule* rule = rules_get(side, id);
    const struct bp_flow* flow;
    struct bp_flow_key copy;

    if (!key || !rule) return 0;
    copy = *key;
    copy.target_port = rule_target(rule, listen_port);
    flow = flow_lookup(BP_UDP, &copy);
    if (!flow || !in_use(flow)) return 0;
    return flow->listen_port == listen_port || is_own_flow(flow, listen_port) ? id : 0;
}

/* Of the rules that share the listen port with rule `id`, the one that has the datagram's flow; `id`: none. */
GLOBAL __u32 bp_flow_share(const struct bp_flow_key* key, __u32 id, __u32 listen_port)
{
    __u32 side = rules_side();
    const struct bp_rule* rule = rules_get(side, id);
    __u32 first, count, found;

    if (!key || !rule) return id;
    first = rule->shares + 1;
    count = shares_count(side, rule->shares);
    for (__u32 i = 0; i < BP_MAX_SHARES && i < count; i++) {
        found = bp_flow_share_at(key, first + i, listen_port);
        if (found) return found;
    }
    return id;
}

/* What bp_steer_step() returns; 0: the rule has no listener. */
#define NEXT_RULE(next) ((next)&0xffff)
#define NEXT_STEERED 0x10000
#define NEXT_FALLBACK 0x20000
#define NEXT_NONE 0x40000 /* all have been tried */

/* --on-absent next: selects a listener of the `step`-th rule to be tried, of those that share the listen port
 * with rule `id`. `ports`: enum bp_proto, and the listen port from bit 8 on. */
GLOBAL __u32 bp_steer_step(struct bpf_sk_lookup* ctx, __u32 ifindex, const struct bp_flow_key* key,
                           __u32 id_and_step, __u32 ports)
{
    __u32 side = rules_side();
    __u32 id = id_and_step & 0xffff;
    const struct bp_rule* rule = rules_get(side, id);
    __be16 target;
    __u32 next = 0;

    if (!key || !rule || id_and_step >> 16 >= shares_active(side, rule->shares)) return NEXT_NONE;
    id = sharing_rule(side, next_share(side, rule, key, id_and_step >> 16));
    rule = rules_get(side, id);
    if (!rule) return NEXT_NONE;
    target = rule_target(rule, ports >> 8);
    if (bp_steer(ctx, ifindex, key, STEER_TO(ports & 0xff, target)) == STEERED) next = NEXT_STEERED;
    if (has_fallback(rule, target, key->local)) next |= NEXT_FALLBACK;
    return next ? next | bounded(id, 0xffff) : 0;
}

/* The id of the rule whose span has this index, if that is its target port; 0: it is not. */
GLOBAL __u32 bp_share_at(__u32 index, __u32 listen_port, __u32 target_port)
{
    __u32 side = rules_side();
    __u32 id = sharing_rule(side, index);
    const struct bp_rule* rule = rules_get(side, id);

    return rule && rule_target(rule, listen_port) == target_port ? id : 0;
}

/* Of the rules that share the listen port with rule `id`, the one whose listener accepted a connection. */
GLOBAL __u32 bp_accepting_share(__u32 id, __u32 listen_port, __u32 target_port)
{
    __u32 side = rules_side();
    const struct bp_rule* rule = rules_get(side, id);
    __u32 first, count, found;

    if (!rule) return id;
    first = rule->shares + 1;
    count = shares_count(side, rule->shares);
    for (__u32 i = 0; i < BP_MAX_SHARES && i < count; i++) {
        found = bp_share_at(first + i, listen_port, target_port);
        if (found) return found;
    }
    return id;
}

#endif
