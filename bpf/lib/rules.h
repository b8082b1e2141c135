/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Rules: which rule of the table (bpfport/table.h) covers a packet. Read without a helper call.
 */
#ifndef BPFPORT_LIB_RULES_H
#define BPFPORT_LIB_RULES_H

#include "bpfport/meta.h"
#include "bpfport/table.h"
#include "lib/packet.h"
#include "lib/spans.h"

/* The only writable global, so it is the whole of .bss. All objects of a network namespace share
 * the map, and these two. */
struct bp_table bp_table;

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2 * BP_MIN_RULES); /* the loader sets the size, as of bp_spans */
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct bp_rule);
} bp_rules SEC(".maps");

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

/* The side in force: 0 or 1. Read once for all that must agree. */
static __always_inline __u32 rules_side(void) { return *(volatile __u32*)&bp_table.flips & 1; }

/* A port as an index. Verifiers before 6.14 don't track that a swap of 16 bits is bounded. */
static __always_inline __u32 port_index(__be16 port) { return bounded(bpf_ntohs(port), 0xffff); }

/* The look-up in an array is inlined: no call. NULL: no such id. */
static __always_inline const struct bp_rule* rules_get(__u32 side, __u32 id)
{
    __u32 index = BP_RULE_INDEX(side, id);

    return bpf_map_lookup_elem(&bp_rules, &index);
}

/* The entry of a port: BP_PORT_*; 0 for nearly all ports. */
static __always_inline __u32 port_entry(__u32 side, __u8 proto, __be16 port)
{
    return bp_table.ports[bounded(side, 1)][bounded(proto, 1)][port_index(port)];
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

/* -- several rules on a port: the most specific one by interface, then by address -- */

static __always_inline __u64 address_half(const __u8* address, int half)
{
    const __u32* words = (const __u32*)address + 2 * half;

    return (__u64)bpf_ntohl(words[0]) << 32 | bpf_ntohl(words[1]);
}

/* The rule of a set that covers a packet between the addresses of the key; or BP_SPAN_SHARES and which. */
static __always_inline __u32 search_set(__u32 side, __u32 entry, __u32 scope,
                                        const struct bp_flow_key* key)
{
    __u64 found = bp_search_set(side, entry & BP_PORT_LISTEN, scope, address_half(key->local, 0),
                                address_half(key->local, 1));

    if (FOUND_RULE(found) & BP_SPAN_CLIENTS)
        found = bp_search_list(side, FOUND_RULE(found) & ~BP_SPAN_CLIENTS, FOUND_COUNT(found),
                               address_half(key->peer, 0), address_half(key->peer, 1));
    return FOUND_RULE(found);
}

static __always_inline __u32 key_hash(const struct bp_flow_key* key)
{
    return bp_share_hash((const __u32*)key->peer, (const __u32*)key->local, key->peer_port);
}

/* Of what search_set() has found: the rule that gets a new flow of the key. */
static __always_inline __u32 share_of(__u32 side, __u32 found, const struct bp_flow_key* key)
{
    if (!(found & BP_SPAN_SHARES)) return found;
    return bp_search_shares(side, found & ~BP_SPAN_SHARES, key_hash(key));
}

static __always_inline __u32 search_local(__u32 side, __u32 entry, const struct bp_flow_key* key)
{
    __u32 ifindex = addr_ifindex(key->local);
    __u32 id = search_set(side, entry, LOOPBACK_INDEX, key); /* of lo itself */

    if (id) return id;
    if (!ifindex) return search_set(side, entry, BP_SCOPE_LOCAL_ALL, key);
    id = search_set(side, entry, BP_SCOPE_LOCAL | ifindex, key);
    return id ? id : search_set(side, entry, BP_SCOPE_LOCAL | BP_SCOPE_ANY, key);
}

/* Whether the only rule of a port covers a packet of a local client to `local`. */
static __always_inline bool covers_local(const struct bp_rule* rule, const __u8* local)
{
    __u32 ifindex;

    if (rule->ifindex == LOOPBACK_INDEX) return true;
    if (rule->flags & BP_RULE_NO_LOCAL) return false;
    if (!rule->ifindex) return true;
    ifindex = addr_ifindex(local);
    return !ifindex || rule->ifindex == ifindex;
}

static __always_inline __u32 search_port(__u32 side, __u32 entry, __u32 ifindex,
                                         const struct bp_flow_key* key)
{
    __u32 found;

    if (ifindex == LOOPBACK_INDEX) return search_local(side, entry, key);
    found = search_set(side, entry, ifindex, key);
    return found ? found : search_set(side, entry, BP_SCOPE_ANY, key);
}

/* The id of the rule that covers a packet of the key that arrives on ifindex; 0: none. Its target_port is
 * not read. Of the only rule on a port its clients are left to rule_is_for(); of rules that share the port
 * it is the one for a new flow, whatever is recorded (lib/shares.h). */
static __always_inline __u32 rules_find(__u32 side, __u32 entry, __u32 ifindex,
                                        const struct bp_flow_key* key)
{
    const struct bp_rule* rule;
    __u32 id = entry & BP_PORT_LISTEN;

    if (!id) return 0;
    if (entry & BP_PORT_SEARCH) return share_of(side, search_port(side, entry, ifindex, key), key);
    rule = rules_get(side, id);
    if (!rule) return 0;
    if (ifindex == LOOPBACK_INDEX) return covers_local(rule, key->local) ? id : 0;
    return !rule->ifindex || rule->ifindex == ifindex ? id : 0;
}

/* The same for the packet in pkt_info(). */
GLOBAL __u32 bp_find_rule(__u32 entry)
{
    struct pkt_info* pkt = pkt_info();

    return pkt ? rules_find(rules_side(), entry, pkt->ifindex, &pkt->key) : 0;
}

/* Whether the rule is for the client at `peer`. Searched once a flow: what is recorded goes on. */
static __always_inline bool rule_is_for(__u32 side, const struct bp_rule* rule, const __u8* peer)
{
    return !rule->clients ||
           bp_has_client(side, rule->clients, address_half(peer, 0), address_half(peer, 1));
}

/* Of a port that rules share, what covers a packet of an interface, other than lo, to an address of these halves: the
 * id of a rule, or BP_SPAN_SHARES and which; 0: nothing, or the client decides. */
GLOBAL __u32 bp_usual_rule(__u32 side, __u32 set, __u32 ifindex, __u64 high, __u64 low)
{
    __u32 zero = 0;
    const struct bp_span* spans = bpf_map_lookup_elem(&bp_spans, &zero);
    const struct bp_span* scope;
    __u32 found = 0;

    if (!spans) return 0;
    scope = scope_get(spans, side, set, ifindex);
    if (scope->first == ifindex)
        found = list_get(spans, side, scope->rule, scope->count, high, low)->rule;
    if (!found) {
        scope = span_get(spans, side, set + 1); /* scopes are sorted */
        if (scope->first == BP_SCOPE_ANY)
            found = bp_search_list(side, scope->rule, scope->count, high, low);
    }
    return found & BP_SPAN_CLIENTS ? 0 : found;
}

/* The id of the rule of those at `shares` that gets a new flow of the packet in pkt_info(). */
GLOBAL __u32 bp_new_share(__u32 side, __u32 shares)
{
    struct pkt_info* pkt = pkt_info();
    __u32 zero = 0;
    const struct bp_span* spans = bpf_map_lookup_elem(&bp_spans, &zero);

    return pkt && spans ? share_get(spans, side, shares, key_hash(&pkt->key)) : 0;
}

/* The rule in the usual cases: the packet is not on lo, and the rule is the only one on the port, or the local
 * address and the weights decide. Its id is in pkt->rule then. NULL: bp_find_rule() tells. Of rules that
 * share by weight it is the one for a new flow; where sk_lookup serves them the recorded one is to be found
 * first, since it tells whether tc has a part in it. */
static __always_inline const struct bp_rule* rules_usual(__u32 side, __u32 entry,
                                                         struct pkt_info* pkt)
{
    const struct bp_rule* rule;
    __u32 id = entry & BP_PORT_LISTEN;

    if (pkt->ifindex == LOOPBACK_INDEX) return NULL;
    if (entry & BP_PORT_SEARCH) {
        id = bp_usual_rule(side, id, pkt->ifindex, address_half(pkt->key.local, 0),
                           address_half(pkt->key.local, 1));
        if (id & BP_SPAN_SHARES) {
            pkt_info_store(pkt);
            id = bp_new_share(side, id & ~BP_SPAN_SHARES);
        }
    }
    pkt->rule = id;
    if (!id) return NULL;
    rule = rules_get(side, id);
    if (!rule || (rule->ifindex && rule->ifindex != pkt->ifindex)) return NULL;
    if (rule->shares && rule->engine == BP_ENGINE_SKLOOKUP) return NULL;
    return rule;
}

/* The number of the rules at `shares` (bp_rule.shares). */
static __always_inline __u32 shares_count(__u32 side, __u32 shares)
{
    const struct bp_span* head = span_at(side, shares);

    return head ? head->rule : 0;
}

/* The number of those that get new flows. */
static __always_inline __u32 shares_active(__u32 side, __u32 shares)
{
    const struct bp_span* head = span_at(side, shares);

    return head ? head->count : 0;
}

/* The id of the one whose span has this index, which is one of those behind `shares`. */
static __always_inline __u32 sharing_rule(__u32 side, __u32 index)
{
    const struct bp_span* span = span_at(side, index);

    return span ? span->rule : 0;
}

/* The index of the span of the one that is tried at `step`, from 0 on, when that for the key has no
 * listener: its clients are spread over all others that get new flows. */
static __always_inline __u32 next_share(__u32 side, const struct bp_rule* rule,
                                        const struct bp_flow_key* key, __u32 step)
{
    __u32 count = shares_active(side, rule->shares);
    __u32 which = ((key_hash(key) & 0xffff) * count >> 16) + step;

    return rule->shares + 1 + (which < count ? which : which - count);
}

/* A program that listens on the listen port of one loopback address, such as a resolver's stub on
 * 127.0.0.53, keeps its clients, unless the rule has that address. Whether the packet's address is
 * such a one for the rule: */
static __always_inline bool rule_exempts(const struct bp_rule* rule, const __u8* local)
{
    return address_is_loopback(local) && !(rule->flags & BP_RULE_ADDRESS);
}

/* How far the target port of a listen port is from the rule's first one. */
static __always_inline __u32 rule_offset(const struct bp_rule* rule, __be16 listen_port)
{
    if (rule->flags & BP_RULE_ONE_TARGET) return 0;
    return bpf_ntohs(listen_port) - rule->listen_first;
}

/* The target port of a listen port of the rule. */
static __always_inline __be16 rule_target(const struct bp_rule* rule, __be16 listen_port)
{
    return bpf_htons(rule->target_first + rule_offset(rule, listen_port));
}

static __always_inline __be16 rule_old_target(const struct bp_rule* rule, __be16 listen_port)
{
    return bpf_htons(rule->old_target_first + rule_offset(rule, listen_port));
}

#endif
