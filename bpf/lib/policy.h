/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Policy: which rule or grant of this cgroup (bpfport/policy.h) a call matches. Read without a
 * helper call. The lists are short and binds are rare, so they are searched linearly.
 */
#ifndef BPFPORT_LIB_POLICY_H
#define BPFPORT_LIB_POLICY_H

#include "bpfport/policy.h"
#include "lib/sock_addr.h"

struct bp_policy bp_policy SEC(".data.policy");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, BP_POLICY_ENTRIES);
    __type(key, __u32);
    __type(value, struct bp_policy_counters);
} bp_calls SEC(".maps");

enum policy_use { FOR_BIND, FOR_CONNECT };
enum policy_count { COUNT_BIND, COUNT_CONNECT, COUNT_DATAGRAM };

static __always_inline const struct bp_policy_side* policy_side(void)
{
    return &bp_policy.side[*(volatile __u32*)&bp_policy.flips & 1];
}

static __always_inline void policy_count(__u32 index, enum policy_count what)
{
    struct bp_policy_counters* counters = bpf_map_lookup_elem(&bp_calls, &index);

    if (!counters) return;
    if (what == COUNT_BIND)
        counters->binds++;
    else if (what == COUNT_CONNECT)
        counters->connects++;
    else
        counters->datagrams++;
}

/* One branch instead of two: the verifier follows each for every rule. */
static __always_inline bool in_range(__u16 port, __u16 first, __u16 last)
{
    return (__u16)(port - first) <= (__u16)(last - first);
}

static __always_inline bool rule_matches(const struct bp_policy_rule* rule, const struct call* call,
                                         __u64 netns_cookie, enum policy_use use)
{
    if (!in_range(call->port, rule->listen_first, rule->listen_last)) return false;
    if (rule->proto != call->proto || rule->netns_cookie != netns_cookie) return false;
    if (use == FOR_CONNECT && (rule->flags & BP_POLICY_NO_LOCAL)) return false;
    return address_within(call->address, rule->address, rule->mask);
}

/* Whether any rule has the listen port. A free entry has listen_first and listen_last 0, and no
 * caller gives port 0. */
static __always_inline bool policy_has_port(const struct bp_policy_side* side, __u16 port)
{
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < BP_POLICY_RULES; i++) {
        if (i >= side->rules_end) break;
        if (in_range(port, side->rules[i].listen_first, side->rules[i].listen_last)) return true;
    }
    return false;
}

/* The id of the rule for this call; 0: none. The loader writes the one with the longest prefix first.
 * The id is read, not computed: the verifier would follow each value through all code behind it. */
static __always_inline __u16 policy_rule(const struct bp_policy_side* side, const struct call* call,
                                         __u64 netns_cookie, enum policy_use use)
{
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < BP_POLICY_RULES; i++) {
        const struct bp_policy_rule* rule = &side->rules[i];

        if (i >= side->rules_end) break;
        if (rule_matches(rule, call, netns_cookie, use)) return rule->id;
    }
    return 0;
}

static __always_inline const struct bp_policy_rule*
policy_rule_of(const struct bp_policy_side* side, __u16 id)
{
    return &side->rules[bounded(id - 1, BP_POLICY_RULES - 1)];
}

static __always_inline __u16 policy_target(const struct bp_policy_side* side, __u16 id, __u16 port)
{
    const struct bp_policy_rule* found = policy_rule_of(side, id);

    return port - found->listen_first + found->target_first;
}

/* The id of the grant for this port; 0: none. */
static __always_inline __u16 policy_grant(const struct bp_policy_side* side, __u8 proto, __u16 port)
{
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < BP_POLICY_GRANTS; i++) {
        const struct bp_policy_grant* grant = &side->grants[i];

        if (i >= side->grants_end) break;
        if (grant->proto != proto) continue;
        if (in_range(port, grant->first, grant->last)) return grant->id;
    }
    return 0;
}

#endif
