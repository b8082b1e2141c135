// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * --exclusive for packets that the tc programs can't parse: those refuse direct clients of an
 * exclusive target, but can't read the ports of each packet that a socket receives (a SYN in two
 * fragments, a chain of extension headers, a broadcast frame). This program runs when the kernel
 * looks for a listener, after reassembly: a redirected packet has a recorded flow, any other went
 * straight to the target port.
 */
#include "lib/ctx.h"
#include "lib/flows.h"
#include "lib/rules.h"

const volatile __u32 bp_has_ifindex;

/* Whether the packet was redirected. */
static __always_inline bool is_admitted(__u8 proto, const struct bp_flow_key* key)
{
    struct bp_flow* flow = flow_lookup(proto, key);

    if (!flow) return false;
    /* UDP: a flow that is recorded as direct was begun by this host. */
    return flow->listen_port || (proto == BP_UDP && flow->target_port == key->target_port);
}

/* Whether a rule makes the target port, in host byte order, exclusive on this interface, or on lo.
 * Without an early return, see bp_may_serve() in lib/steer.h. Its arguments are numbers only: on
 * 5.10 a GLOBAL function can't take a context of sk_lookup. */
GLOBAL int bp_is_exclusive(__u32 target_port, __u32 proto, __u32 ifindex)
{
    const struct bp_table_side* side = rules_side();
    __u64 port = target_port & 0xffff;
    __u64 exclusive = 0;

    for (__u32 id = 1; id < BP_MAX_RULES; id++) {
        const struct bp_rule* rule = &side->rules[id];
        /* 0: the rule is for every interface or for this one, or the client is local */
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
    if (!(port_entry(rules_side(), proto, key.target_port) & BP_PORT_ANY_EXCLUSIVE)) return SK_PASS;
    lookup_addresses(ctx, &key);
    key.peer_port = READ(ctx, remote_port);
    if (is_admitted(proto, &key) ||
        !bp_is_exclusive(READ(ctx, local_port), proto, lookup_ifindex(ctx)))
        return SK_PASS;
    count_outcome(BP_OUTCOME_EXCLUSIVE);
    return SK_DROP; /* the peer gets a reset, or an ICMP port unreachable */
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
