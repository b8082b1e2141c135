/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Rules: the table that the loader writes (bpfport/table.h), read without a helper call.
 */
#ifndef BPFPORT_LIB_RULES_H
#define BPFPORT_LIB_RULES_H

#include "bpfport/table.h"
#include "lib/packet.h"
#include "lib/query.h"

/* The only global that changes, so it is the whole of .bss. All objects of a netns share the map. */
struct bp_table bp_table;

/* This host's addresses, as of the last command. The value: the interface whose rules a local client's
 * packet takes, since on lo the packet does not tell; 0: those of all. Never needed for what arrives
 * by a device that nobody shares: new addresses are served at once. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 262144); /* buckets; entries are allocated one by one */
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u8[16]);
    __type(value, __u32);
} bp_addresses SEC(".maps");

static __always_inline const struct bp_table_side* rules_side(void)
{
    return &bp_table.side[*(volatile __u32*)&bp_table.flips & 1];
}

/* A port as an index. Verifiers before 6.14 don't know that a swap to 16 bits is bounded. */
static __always_inline __u32 port_index(__be16 port) { return bounded(bpf_ntohs(port), 0xffff); }

static __always_inline const __u16* rules_set(const struct bp_table_side* side, __u16 slot)
{
    return side->sets[bounded(slot, BP_PORT_SET)];
}

static __always_inline const struct bp_rule* rules_get(const struct bp_table_side* side, __u16 id)
{
    return &side->rules[bounded(id, BP_MAX_RULES - 1)];
}

/* BP_PORT_* of a port; 0 for nearly all of them. */
static __always_inline __u16 rules_slot(const struct bp_table_side* side, __u8 proto, __be16 port)
{
    return side->ports[bounded(proto, 1)][port_index(port)];
}

/* The interface whose rules a packet for `local` takes when it arrives on lo; 0: those all agree on. */
static __always_inline __u32 rules_owner(const __u8* local)
{
    if (address_is_loopback(local)) return 0;

    __u32* owner = bpf_map_lookup_elem(&bp_addresses, local);

    return owner ? *owner : 0;
}

static __always_inline bool address_is_own(const __u8* address)
{
    return address_is_loopback(address) || bpf_map_lookup_elem(&bp_addresses, address);
}

/* What the packet's interface asks of a rule: the same tests on lo and elsewhere, since each branch of
 * the search costs the verifier BP_SET_SIZE times over. */
struct rule_scope {
    __u32 ifindex;
    __u32 owner;    /* the interface whose rules apply as well; 0: those of all do */
    __u8 forbidden; /* flags of rules that don't apply */
};

static __always_inline struct rule_scope rule_scope(__u32 ifindex, const __u8* local)
{
    if (ifindex != LOOPBACK_INDEX) return (struct rule_scope){ifindex, ifindex, 0};
    return (struct rule_scope){ifindex, rules_owner(local), BP_RULE_NO_LOCAL};
}

static __always_inline bool rule_covers(const struct bp_rule* rule, const struct rule_scope* scope,
                                        const __u8* local)
{
    if ((rule->flags & BP_RULE_ADDRESS) && !address_equal(rule->address, local)) return false;
    if (rule->ifindex == scope->ifindex) return true;
    if (rule->flags & scope->forbidden) return false;
    return !rule->ifindex || !scope->owner || rule->ifindex == scope->owner;
}

/* The id of the rule that a packet to `local` arriving on ifindex takes; 0: none covers it. */
static __always_inline __u32 rules_find(const struct bp_table_side* side, __u32 slot, __u32 ifindex,
                                        const __u8* local)
{
    const __u16* set = rules_set(side, slot);
    struct rule_scope scope = rule_scope(ifindex, local);

    for (int i = 0; i < BP_SET_SIZE; i++) {
        __u16 id = set[i];

        if (!id) break;
        if (rule_covers(rules_get(side, id), &scope, local)) return id;
    }
    return 0;
}

/* The same for the query's packet. */
GLOBAL __u32 bp_find_rule(__u32 slot)
{
    struct query* q = query();

    return q ? rules_find(rules_side(), slot, q->ifindex, q->key.local) : 0;
}

#define ASK_IN_FULL BP_MAX_RULES

/* The same for the usual case: one rule on the port, for every address, and not on lo. ASK_IN_FULL
 * where bp_find_rule() must tell. */
static __always_inline __u32 find_rule_quickly(const struct bp_table_side* side, __u16 slot,
                                               __u32 ifindex)
{
    const __u16* set = rules_set(side, slot);
    __u16 id = set[0];
    const struct bp_rule* rule = rules_get(side, id);

    if (set[1] || ifindex == LOOPBACK_INDEX || (rule->flags & BP_RULE_ADDRESS)) return ASK_IN_FULL;
    return !rule->ifindex || rule->ifindex == ifindex ? id : 0;
}

/* A program that listens on the listen port of one loopback address, such as a resolver's stub on
 * 127.0.0.53, keeps it: a rule takes it only when it names that address. */
static __always_inline bool rule_spares(const struct bp_rule* rule, const __u8* local)
{
    return address_is_loopback(local) && !(rule->flags & BP_RULE_ADDRESS);
}

/* 0 when the port, in host byte order, is a target of the rule. Without a branch: where all rules are
 * asked, the verifier follows each branch of every rule. */
static __always_inline __u64 rule_misses_target(const struct bp_rule* rule, __u64 port)
{
    __u64 offset = port - rule->target_first;
    __u64 span = (__u64)rule->listen_last - rule->listen_first;

    return negative((__u64)rule->listen_first - 1) | negative(offset) | negative(span - offset);
}

/* The target of a listen port that the rule covers. */
static __always_inline __be16 rule_target(const struct bp_rule* rule, __be16 listen_port)
{
    return bpf_htons(bpf_ntohs(listen_port) - rule->listen_first + rule->target_first);
}

static __always_inline __be16 rule_old_target(const struct bp_rule* rule, __be16 listen_port)
{
    return bpf_htons(bpf_ntohs(listen_port) - rule->listen_first + rule->old_target_first);
}

#endif
