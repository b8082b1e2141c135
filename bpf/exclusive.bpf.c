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

/* Whether this packet may go to the target port that it asks for. */
static __always_inline bool is_admitted(__u8 proto, const struct bp_flow_key* key)
{
    struct bp_flow* flow = flow_lookup(proto, key);

    if (!flow) return false;
    /* Of UDP one on record as direct was begun by this host. */
    return flow->listen_port || (proto == BP_UDP && flow->target_port == key->target_port);
}

/* Whether a rule makes the target port, in host byte order, exclusive for what comes by this interface,
 * or by lo. To the end, as in lib/may_serve.h, whose bpf_loop() this object, which loads on 5.10, can't
 * have; and of numbers only, since 5.10 takes no context of sk_lookup for a global function. */
GLOBAL int bp_is_exclusive(__u32 target_port, __u32 proto, __u32 ifindex)
{
    const struct bp_table_side* side = rules_side();
    __u64 port = target_port & 0xffff;
    __u64 exclusive = 0;

    for (__u32 id = 1; id < BP_MAX_RULES; id++) {
        const struct bp_rule* rule = &side->rules[id];
        /* 0 where the rule is for every interface, or for this one, or a local client asks */
        __u64 elsewhere =
            (__u64)rule->ifindex * (rule->ifindex ^ ifindex) * (ifindex ^ LOOPBACK_INDEX);

        exclusive |= is_zero(rule_misses_target(rule, port) | (rule->proto ^ proto) |
                             (~rule->flags & BP_RULE_EXCLUSIVE) | negative(-elsewhere));
    }
    return exclusive != 0;
}

SEC("sk_lookup") int bp_exclusive(struct bpf_sk_lookup* ctx)
{
    __u8 proto = lookup_proto(ctx);
    struct bp_flow_key key = {};

    key.target_port = bpf_htons(READ(ctx, local_port));
    if (!(rules_slot(rules_side(), proto, key.target_port) & BP_PORT_ANY_EXCLUSIVE)) return SK_PASS;
    lookup_addresses(ctx, &key);
    key.peer_port = READ(ctx, remote_port);
    if (is_admitted(proto, &key) ||
        !bp_is_exclusive(READ(ctx, local_port), proto, lookup_ifindex(ctx)))
        return SK_PASS;
    count_outcome(BP_OUTCOME_EXCLUSIVE);
    return SK_DROP; /* the peer gets a reset, or an ICMP port unreachable */
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
