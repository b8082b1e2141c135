/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Listeners: the sockets that the sklookup engine steers to, by the address and port they are bound
 * to. A socket that closes leaves by itself; each member of a SO_REUSEPORT group has a slot of its
 * own, so that the group is served as long as one of them lives.
 */
#ifndef BPFPORT_LIB_LISTENERS_H
#define BPFPORT_LIB_LISTENERS_H

#include "bpfport/listener.h"
#include "lib/loop.h"
#include "lib/packet.h"
#include "lib/rules.h"

struct {
    __uint(type, BPF_MAP_TYPE_SOCKHASH);
    __uint(max_entries, BP_MAX_LISTENERS);
    __type(key, struct bp_listener_key);
    __type(value, __u64); /* 8 bytes: user space reads the socket's cookie */
} bp_listeners SEC(".maps");

/* What a look-up can't know of an address and port (key with slot 0): where its slots end, when
 * more than BP_GROUP_FIRST were ever in use, and whether a member is bound to a device. Nothing
 * is lost that must be served when the map is full: any member stands for its group. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, BP_MAX_LISTENERS);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct bp_listener_key);
    __type(value, __u32);
} bp_groups SEC(".maps");

#define GROUP_END 0xffff
#define GROUP_BOUND 0x10000 /* added once for each bound member, or less often */

static __always_inline __u32 group_read(const struct bp_listener_key* group)
{
    const __u32* known = bpf_map_lookup_elem(&bp_groups, group);
    __u32 value = known ? *(volatile __u32*)known : 0;

    return (value & GROUP_END) < BP_GROUP_FIRST ? (value & ~GROUP_END) | BP_GROUP_FIRST : value;
}

/* `member` is kept. Several CPUs may say so at once: the end may become too large by that, which
 * costs a look-up, and never too small. */
static __always_inline void group_join(const struct bp_listener_key* member, bool bound)
{
    struct bp_listener_key group = *member;
    __u32 none = 0;
    __u32* value;
    __u32 end;

    if (member->member < BP_GROUP_FIRST && !bound) return;
    group.member = 0;
    bpf_map_update_elem(&bp_groups, &group, &none, BPF_NOEXIST);
    value = bpf_map_lookup_elem(&bp_groups, &group);
    if (!value) return;
    if (bound && *(volatile __u32*)value < GROUP_BOUND) ATOMIC_ADD(value, GROUP_BOUND);
    end = *(volatile __u32*)value & GROUP_END;
    if (end <= member->member) ATOMIC_ADD(value, member->member + 1 - end);
}

static __always_inline void bound_address(const struct bpf_sock* sk, __u8* address)
{
    if (READ(sk, family) == FAMILY_V4) {
        map_v4(address, READ(sk, src_ip4));
        return;
    }
    READ_ADDRESS(address, sk, src_ip6);
}

struct slot_search {
    struct bpf_sock* sk; /* to be kept */
    struct bp_listener_key* key;
    __u32 end;
    __u32 device;
    int result;
};

static long keep_in_slot(__u32 slot, struct slot_search* search)
{
    search->key->member = slot;
    search->result = bpf_map_update_elem(&bp_listeners, search->key, search->sk, BPF_NOEXIST);
    return search->result == -BP_EEXIST ? LOOP_GO_ON : LOOP_END;
}

/* Into the first free slot, which is left in key->member. The error has 32 bits: kernels before 6.4 leave
 * the sign out of the others. */
static __always_inline int keep_found(struct bpf_sock* sk, struct bp_listener_key* key)
{
    struct slot_search search = {.sk = sk, .key = key};

    LOOP(BP_GROUP_MEMBERS, keep_in_slot, &search);
    if (!search.result) group_join(key, READ(sk, bound_dev_if));
    return search.result;
}

static long slot_lives(__u32 slot, struct slot_search* search)
{
    struct bpf_sock* sk;
    __u32 bound;

    if (slot >= search->end) return LOOP_END;
    search->key->member = slot;
    sk = bpf_map_lookup_elem(&bp_listeners, search->key);
    if (!sk) return LOOP_GO_ON;
    bound = READ(sk, bound_dev_if);
    bpf_sk_release(sk);
    search->result = bound == search->device;
    return search->result ? LOOP_END : LOOP_GO_ON;
}

/* Whether any member of the group that is bound to that device, or, 0, to none, is left. */
static __always_inline bool group_lives(struct bp_listener_key* group, __u32 device)
{
    struct slot_search search = {.key = group, .device = device};

    group->member = 0;
    search.end = group_read(group) & GROUP_END;
    LOOP(BP_GROUP_MEMBERS, slot_lives, &search);
    return search.result;
}

/* -- listeners that can't be steered to: tc serves them, where it stands by -- */

/* Other ports' bytes are in the same word, so it is changed at once (5.12: of the sklookup object
 * only). */
static __always_inline void wake_tc(const struct bp_listener_key* key)
{
    /* Any user may bind an address that is none of this host's (IP_FREEBIND): no client asks for it. */
    if (!address_is_unspecified(key->address) && !address_is_own(key->address)) return;

    __u32 port = port_index(key->port);
    __u32 bit = address_is_loopback(key->address) ? BP_FALLBACK_LOOPBACK : BP_FALLBACK_ALL;
    __u32* word = (__u32*)&bp_table.fallback[port & 0xfffc];

    __sync_fetch_and_or(word, bit << 8 * (port & 3));
    bp_table.fallback_active = 1;
}

static __always_inline bool tc_serves(__be16 target, const __u8* local)
{
    __u8 by_tc = bp_table.fallback[port_index(target)];

    return by_tc & BP_FALLBACK_ALL || (by_tc && address_is_loopback(local));
}

#endif
