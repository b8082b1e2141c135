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

/* Whether a rule makes the target port exclusive on this interface, or on any if the client is
 * local. */
static __always_inline bool is_exclusive(__u8 proto, __u32 port, __u32 ifindex)
{
    __u32 side = rules_side();
    __u32 set = bp_table.exclusive[bounded(side, 1)];
    __u64 key = BP_EXCLUSIVE_KEY(proto, port);

    if (ifindex == LOOPBACK_INDEX) return bp_search_set(side, set, BP_SCOPE_LOCAL_ALL, 0, key);
    return bp_search_set(side, set, ifindex, 0, key) ||
           bp_search_set(side, set, BP_SCOPE_ANY, 0, key);
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
        !is_exclusive(proto, READ(ctx, local_port), lookup_ifindex(ctx)))
        return SK_PASS;
    count_outcome(BP_OUTCOME_EXCLUSIVE);
    return SK_DROP; /* the peer gets a reset, or an ICMP port unreachable */
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
