/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Rules: which rule of the table (bpfport/table.h) covers a packet. Read without a helper call.
 */
#ifndef BPFPORT_LIB_RULES_H
#define BPFPORT_LIB_RULES_H

#include "bpfport/table.h"
#include "lib/packet.h"
#include "lib/pkt_info.h"

/* The only writable global, so it is the whole of .bss. All objects of a network namespace share
 * the map. */
struct bp_table bp_table;

/* The local addresses of the network namespace, as of the last command. The value: on lo, where the
 * packet doesn't tell, the interface whose rules apply to a local client's packet to the address;
 * 0: the rules of all interfaces. Elsewhere only devices that other stacks share need it: new
 * addresses are served at once. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 262144); /* entries are allocated when they are added */
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u8[16]);
    __type(value, __u32);
} bp_addresses SEC(".maps");

static __always_inline const struct bp_table_side* rules_side(void)
{
    return &bp_table.side[*(volatile __u32*)&bp_table.flips & 1];
}

/* A port as an index. Verifiers before 6.14 don't track that a swap of 16 bits is bounded. */
static __always_inline __u32 port_index(__be16 port) { return bounded(bpf_ntohs(port), 0xffff); }

static __always_inline const __u16* rules_set(const struct bp_table_side* side, __u16 entry)
{
    return side->sets[bounded(entry, BP_PORT_SET)];
}

static __always_inline const struct bp_rule* rules_get(const struct bp_table_side* side, __u16 id)
{
    return &side->rules[bounded(id, BP_MAX_RULES - 1)];
}

/* The entry of a port: BP_PORT_*; 0 for nearly all ports. */
static __always_inline __u16 port_entry(const struct bp_table_side* side, __u8 proto, __be16 port)
{
    return side->ports[bounded(proto, 1)][port_index(port)];
}

/* On lo: the interface whose rules apply to a packet to `local`; 0: the rules of all interfaces. */
static __always_inline __u32 addr_ifindex(const __u8* local)
{
    if (address_is_loopback(local)) return 0;

    __u32* ifindex = bpf_map_lookup_elem(&bp_addresses, local);

    return ifindex ? *ifindex : 0;
}

static __always_inline bool address_is_local(const __u8* address)
{
    return address_is_loopback(address) || bpf_map_lookup_elem(&bp_addresses, address);
}

/* What a rule must match besides the port. The tests are the same on lo and elsewhere, since the
 * verifier follows each branch of the search BP_SET_SIZE times. */
struct rule_scope {
    __u32 ifindex;      /* interface that the packet arrived on */
    __u32 addr_ifindex; /* interface whose rules apply as well; 0: those of all interfaces */
    __u8 excluded;      /* flags of rules that don't apply */
};

static __always_inline struct rule_scope rule_scope(__u32 ifindex, const __u8* local)
{
    if (ifindex != LOOPBACK_INDEX) return (struct rule_scope){ifindex, ifindex, 0};
    return (struct rule_scope){ifindex, addr_ifindex(local), BP_RULE_NO_LOCAL};
}

static __always_inline bool rule_covers(const struct bp_rule* rule, const struct rule_scope* scope,
                                        const __u8* local)
{
    if ((rule->flags & BP_RULE_ADDRESS) && !address_equal(rule->address, local)) return false;
    if (rule->ifindex == scope->ifindex) return true;
    if (rule->flags & scope->excluded) return false;
    return !rule->ifindex || !scope->addr_ifindex || rule->ifindex == scope->addr_ifindex;
}

/* The id of the rule that covers a packet to `local` that arrives on ifindex; 0: none. */
static __always_inline __u32 rules_find(const struct bp_table_side* side, __u32 entry,
                                        __u32 ifindex, const __u8* local)
{
    const __u16* set = rules_set(side, entry);
    struct rule_scope scope = rule_scope(ifindex, local);

    for (int i = 0; i < BP_SET_SIZE; i++) {
        __u16 id = set[i];

        if (!id) break;
        if (rule_covers(rules_get(side, id), &scope, local)) return id;
    }
    return 0;
}

/* The same for the packet in pkt_info(). */
GLOBAL __u32 bp_find_rule(__u32 entry)
{
    struct pkt_info* pkt = pkt_info();

    return pkt ? rules_find(rules_side(), entry, pkt->ifindex, pkt->key.local) : 0;
}

#define SEARCH_SET BP_MAX_RULES

/* The same for the usual case: one rule on the port, for every address, and not on lo. SEARCH_SET:
 * another case, for bp_find_rule(). */
static __always_inline __u32 rules_find_single(const struct bp_table_side* side, __u16 entry,
                                               __u32 ifindex)
{
    const __u16* set = rules_set(side, entry);
    __u16 id = set[0];
    const struct bp_rule* rule = rules_get(side, id);

    if (set[1] || ifindex == LOOPBACK_INDEX || (rule->flags & BP_RULE_ADDRESS)) return SEARCH_SET;
    return !rule->ifindex || rule->ifindex == ifindex ? id : 0;
}

/* A program that listens on the listen port of one loopback address, such as a resolver's stub on
 * 127.0.0.53, keeps its clients, unless the rule has that address. Whether the packet's address is
 * such a one for the rule: */
static __always_inline bool rule_exempts(const struct bp_rule* rule, const __u8* local)
{
    return address_is_loopback(local) && !(rule->flags & BP_RULE_ADDRESS);
}

/* 0 if the port, in host byte order, is a target port of the rule. Without a branch: in a loop over
 * all rules the verifier follows each branch for every rule. */
static __always_inline __u64 rule_misses_target(const struct bp_rule* rule, __u64 port)
{
    __u64 offset = port - rule->target_first;
    __u64 span = (__u64)rule->listen_last - rule->listen_first;

    return negative((__u64)rule->listen_first - 1) | negative(offset) | negative(span - offset);
}

/* The target port of a listen port of the rule. */
static __always_inline __be16 rule_target(const struct bp_rule* rule, __be16 listen_port)
{
    return bpf_htons(bpf_ntohs(listen_port) - rule->listen_first + rule->target_first);
}

static __always_inline __be16 rule_old_target(const struct bp_rule* rule, __be16 listen_port)
{
    return bpf_htons(bpf_ntohs(listen_port) - rule->listen_first + rule->old_target_first);
}

#endif
