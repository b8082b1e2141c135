/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Steer: gives what sk_lookup asks about to a socket that listens on the target port.
 */
#ifndef BPFPORT_LIB_STEER_H
#define BPFPORT_LIB_STEER_H

#include "lib/count.h"
#include "lib/flows.h"
#include "lib/listeners.h"
#include "lib/lookup.h"
#include "lib/loop.h"

enum steered {
    STEERED,
    NOBODY, /* no socket that may serve this packet */
};

enum member {
    MEMBER_REFUSED, /* none in this slot, or not for this packet */
    MEMBER_UNBOUND, /* assigned; bound to no device */
    MEMBER_BOUND,   /* assigned; bound to the packet's device */
};

/* Tries the socket in one slot of a group: enum member. `assigned`: an unbound one is already, and
 * only a bound one replaces it. A GLOBAL of its own, because verifiers before 6.12 find no two slots'
 * states the same: each socket has a reference of another number. */
GLOBAL int bp_steer_to_member(struct bpf_sk_lookup* ctx, __u32 ifindex,
                              const struct bp_listener_key* member, __u32 assigned)
{
    struct bp_listener_key key;
    struct bpf_sock* sk;
    __u32 device;
    long refused = 1;

    if (!member) return MEMBER_REFUSED;
    key = *member;
    sk = bpf_map_lookup_elem(&bp_listeners, &key);
    if (!sk) return MEMBER_REFUSED;
    /* SO_BINDTODEVICE; the wrong family (v6only) and connected sockets are refused by the kernel.
     * Without REPLACE another program's choice stays. */
    device = READ(sk, bound_dev_if);
    if (device ? device == ifindex : !assigned)
        refused = bpf_sk_assign(ctx, sk, assigned ? BPF_SK_LOOKUP_F_REPLACE : 0);
    bpf_sk_release(sk);
    if (refused) return MEMBER_REFUSED;
    return device ? MEMBER_BOUND : MEMBER_UNBOUND;
}

/* One search of a group's slots. */
struct group_search {
    struct bpf_sk_lookup* ctx;
    struct bp_listener_key key;
    __u32 ifindex;
    __u32 known; /* group_read() */
    __u32 steered;
};

static __always_inline long steer_to_slot(__u32 slot, struct group_search* search)
{
    int member;

    if (slot >= (search->known & GROUP_END)) return LOOP_END;
    search->key.member = slot;
    member =
        bp_steer_to_member(search->ctx, search->ifindex, &search->key, search->steered == STEERED);
    if (member == MEMBER_REFUSED) return LOOP_GO_ON;
    search->steered = STEERED;
    return member == MEMBER_BOUND || search->known < GROUP_BOUND ? LOOP_END : LOOP_GO_ON;
}

static __always_inline long steer_to_slots(__u32 slots, struct group_search* search)
{
    for (__u32 slot = 0; slot < slots; slot++)
        if (steer_to_slot(slot, search) == LOOP_END) return LOOP_END;
    return LOOP_GO_ON;
}

static long steer_to_later_slot(__u32 pass, struct group_search* search)
{
    return steer_to_slot(BP_GROUP_FIRST + pass, search);
}

/* Gives the packet to a socket bound to group->address: as the kernel would, to one bound to the
 * packet's device before one bound to none. Any member stands for its whole group, among which the
 * kernel then chooses as it always does. Returns enum steered. It takes a pointer (5.13),
 * which is then no map key for old verifiers: the key is a copy. */
GLOBAL int bp_steer_to(struct bpf_sk_lookup* ctx, __u32 ifindex,
                       const struct bp_listener_key* group)
{
    struct group_search search = {.ctx = ctx, .ifindex = ifindex, .steered = NOBODY};

    if (!group) return NOBODY;
    search.key = *group;
    search.key.member = 0;
    search.known = group_read(&search.key);
    if (!HAS_LOOP) {
        struct group_search in_registers = search; /* no callback needs its address */

        steer_to_slots(BP_GROUP_MEMBERS, &in_registers);
        return in_registers.steered;
    }
    /* Few groups have more slots: a call for each of these would cost more than it saves. */
    if (steer_to_slots(BP_GROUP_FIRST, &search) != LOOP_END &&
        (search.known & GROUP_END) > BP_GROUP_FIRST)
        bpf_loop(BP_GROUP_MEMBERS - BP_GROUP_FIRST, steer_to_later_slot, &search, 0);
    return search.steered;
}

/* As the kernel would on the target port: the address itself, then the family's wildcard, then, for
 * IPv4, a dual-stack socket. */
static __always_inline enum steered steer(struct bpf_sk_lookup* ctx, __u32 ifindex, __u8 proto,
                                          const __u8* local, __be16 target)
{
    struct bp_listener_key key = {.port = target, .proto = proto};
    bool v4 = address_is_v4(local);

    copy_address(key.address, local);
    if (bp_steer_to(ctx, ifindex, &key) == STEERED) return STEERED;
    __builtin_memset(key.address, 0, sizeof(key.address));
    if (v4) {
        map_v4(key.address, 0);
        if (bp_steer_to(ctx, ifindex, &key) == STEERED) return STEERED;
        __builtin_memset(key.address, 0, sizeof(key.address));
    }
    return bp_steer_to(ctx, ifindex, &key);
}

/* Whether what is asked for is a program's own loopback address: such a listener on the listen port
 * itself is kept among those that can be steered to, and so leaves by itself when it closes. tc tells
 * of datagrams. */
static __always_inline bool keeps_its_address(struct bpf_sk_lookup* ctx, __u32 ifindex, __u8 proto,
                                              const __u8* local, __be16 listen_port)
{
    struct bp_listener_key key = {.port = listen_port, .proto = proto};

    if (proto == BP_UDP) return true;
    copy_address(key.address, local);
    return bp_steer_to(ctx, ifindex, &key) == STEERED;
}

/* A datagram that was steered: tc gives its answer the listen port back (tc_out). */
static __always_inline void remember_datagram(const struct bp_flow_key* key, __be16 listen_port,
                                              __u16 rule)
{
    struct bp_flow flow = {listen_port, key->target_port, rule, tick()};
    struct bp_flow* known = flow_lookup(BP_UDP, key);

    if (known && known->listen_port == listen_port && known->rule == rule) {
        flow_used(known);
        return;
    }
    if (!flow_store(BP_UDP, key, flow)) count_outcome(BP_OUTCOME_FLOW_LOST);
    asked_store(key);
    count_connection(rule);
}

#endif
