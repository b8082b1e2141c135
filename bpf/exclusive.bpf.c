// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * --exclusive, where the packet is whole: the tc programs refuse direct clients of an exclusive target,
 * but can't read the ports of every packet that becomes one for a socket (a SYN in two fragments, a
 * chain of extension headers, a broadcast frame). This program runs behind all of that, when the
 * kernel looks for a socket that nobody is connected to: who was redirected has a flow on record, and
 * everybody else came straight to the target port.
 */
#include "lib/flows.h"
#include "lib/lookup.h"
#include "lib/rules.h"

const volatile __u32 bp_has_ifindex; /* the kernel tells the interface (5.17+) */

/* Whether this packet may go to the target port that it asks for. */
static __always_inline bool is_admitted(__u8 proto, const struct bp_flow_key* key)
{
    struct bp_flow* flow = flow_lookup(proto, key);

    if (!flow) return false;
    /* Of UDP one on record as direct was begun by this host. */
    return flow->listen_port || (proto == BP_UDP && flow->target_port == key->target_port);
}

/* Whether a rule makes the target port exclusive for what comes by this interface, or by lo. Without a
 * branch and to the end: see lib/may_serve.h, whose bpf_loop() this object, which loads on 5.10, can't have. Numbers
 * only: 5.10 takes no context of sk_lookup for a global function. `target_port`: in host byte order. */
GLOBAL int bp_is_exclusive(__u32 target_port, __u32 proto, __u32 ifindex)
{
    const struct bp_table_side* side = rules_side();
    __u64 port = target_port & 0xffff;
    __u64 exclusive = 0;

    for (__u32 id = 1; id < BP_MAX_RULES; id++) {
        const struct bp_rule* rule = &side->rules[id];
        __u64 offset = port - rule->target_first;
        __u64 span = (__u64)rule->listen_last - rule->listen_first;
        /* 0 where the rule is for every interface, or for this one, or a local client asks */
        __u64 elsewhere =
            (__u64)rule->ifindex * (rule->ifindex ^ ifindex) * (ifindex ^ LOOPBACK_INDEX);
        __u64 miss = negative((__u64)rule->listen_first - 1) | negative(offset) |
                     negative(span - offset) | (rule->proto ^ proto) |
                     (~rule->flags & BP_RULE_EXCLUSIVE) | negative(-elsewhere);

        exclusive |= 1 ^ (negative(miss) | negative(-miss));
    }
    return exclusive != 0;
}

SEC("sk_lookup") int bp_exclusive(struct bpf_sk_lookup* ctx)
{
    __u8 proto = READ(ctx, protocol) == IPPROTO_UDP ? BP_UDP : BP_TCP;
    __u32 ifindex = bp_has_ifindex ? READ(ctx, ingress_ifindex) : 0;
    struct bp_flow_key key = {};

    key.target_port = bpf_htons(READ(ctx, local_port));
    if (!(rules_slot(rules_side(), proto, key.target_port) & BP_SLOT_ANY_EXCLUSIVE)) return SK_PASS;
    lookup_addresses(ctx, &key);
    key.peer_port = READ(ctx, remote_port);
    if (is_admitted(proto, &key) || !bp_is_exclusive(READ(ctx, local_port), proto, ifindex))
        return SK_PASS;
    count_outcome(BP_OUTCOME_EXCLUSIVE);
    return SK_DROP; /* the peer gets a reset, or an ICMP port unreachable */
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
