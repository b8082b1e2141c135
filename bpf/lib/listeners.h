/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Listeners: the sockets that the sklookup engine steers to, by the address and port they are bound
 * to. A socket that closes leaves by itself; each member of a SO_REUSEPORT group has a slot of its
 * own, so that the group is served as long as one of them lives.
 */
#ifndef BPFPORT_LIB_LISTENERS_H
#define BPFPORT_LIB_LISTENERS_H

#include "bpfport/listener.h"
#include "lib/packet.h"

struct {
    __uint(type, BPF_MAP_TYPE_SOCKHASH);
    __uint(max_entries, BP_MAX_LISTENERS);
    __type(key, struct bp_listener_key);
    __type(value, __u64); /* 8 bytes: user space reads the socket's cookie */
} bp_listeners SEC(".maps");

/* How many slots of an address and port (key with slot 0) were ever in use: where a look-up ends. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, BP_MAX_LISTENERS);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct bp_listener_key);
    __type(value, __u32);
} bp_groups SEC(".maps");

static __always_inline __u32* group_make(const struct bp_listener_key* group)
{
    __u32 none = 0;

    bpf_map_update_elem(&bp_groups, group, &none, BPF_NOEXIST);
    return bpf_map_lookup_elem(&bp_groups, group);
}

/* Slot `slot` is in use now. Several CPUs may say so at once: the number may become too large by
 * that, which costs a look-up, and never too small. */
static __always_inline void group_grow(__u32* slots, __u32 slot)
{
    for (int i = 0; i < BP_LISTENER_SLOTS; i++) {
        if (*(volatile __u32*)slots > slot) break;
        ATOMIC_ADD(slots, 1);
    }
}

static __always_inline void bound_address(const struct bpf_sock* sk, __u8* address)
{
    if (READ(sk, family) == FAMILY_V4) {
        map_v4(address, READ(sk, src_ip4));
        return;
    }
    READ_ADDRESS(address, sk, src_ip6);
}

/* Into the first free slot, which is left in key->slot. */
static __always_inline long keep_found(struct bpf_sock* sk, struct bp_listener_key* key)
{
    __u32* slots = group_make(key);
    long error = -1;

    if (!slots) return error;
    for (__u32 slot = 0; slot < BP_LISTENER_SLOTS; slot++) {
        key->slot = slot;
        error = bpf_map_update_elem(&bp_listeners, key, sk, BPF_NOEXIST);
        if (!error) group_grow(slots, slot);
        if (error != -BP_EEXIST) break;
    }
    return error;
}

/* Whether any member of the group is left. */
static __always_inline bool group_lives(struct bp_listener_key* group)
{
    __u32* slots = bpf_map_lookup_elem(&bp_groups, group);
    __u32 end = slots ? *slots : 0;

    for (__u32 slot = 0; slot < BP_LISTENER_SLOTS; slot++) {
        struct bpf_sock* sk;

        if (slot >= end) break;
        group->slot = slot;
        sk = bpf_map_lookup_elem(&bp_listeners, group);
        if (!sk) continue;
        bpf_sk_release(sk);
        return true;
    }
    return false;
}

#endif
