/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Steer: which listener of a target port is selected for a packet to a listen port that the kernel
 * looks a socket up for, and what getsockname(2) says of the connection. An object defines
 * bp_sockname_set (lib/sock_addr.h).
 */
#ifndef BPFPORT_LIB_STEER_H
#define BPFPORT_LIB_STEER_H

#include "bpfport/listener.h"
#include "bpfport/meta.h"
#include "lib/count.h"
#include "lib/ctx.h"
#include "lib/flows.h"
#include "lib/listeners.h"
#include "lib/rules.h"
#include "lib/sock_addr.h"

enum steered {
    STEERED,
    NOT_STEERED, /* no socket may serve the packet */
};

enum member {
    MEMBER_REFUSED, /* no socket, or not for this packet */
    MEMBER_UNBOUND, /* selected; bound to no device */
    MEMBER_BOUND,   /* selected; bound to the packet's device */
};

/* Tries one member of a group: enum member. `assigned`: an unbound one is selected already, and
 * only a bound one replaces it. A GLOBAL function, because before 6.12 the verifier finds no two
 * states in the loop the same: each socket reference has another id. */
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
    /* SO_BINDTODEVICE is checked here; the kernel refuses a socket of the wrong family
     * (IPV6_V6ONLY) and a connected one. Without REPLACE the selection of another program stays. */
    device = READ(sk, bound_dev_if);
    if (device ? device == ifindex : !assigned)
        refused = bpf_sk_assign(ctx, sk, assigned ? BPF_SK_LOOKUP_F_REPLACE : 0);
    bpf_sk_release(sk);
    if (refused) return MEMBER_REFUSED;
    return device ? MEMBER_BOUND : MEMBER_UNBOUND;
}

/* The search of a group's members. */
struct group_search {
    struct bpf_sk_lookup* ctx;
    struct bp_listener_key key;
    __u32 ifindex;
    __u32 known; /* group_read() */
    __u32 steered;
};

static __always_inline long steer_to_one(__u32 index, struct group_search* search)
{
    int member;

    if (index >= (search->known & GROUP_END)) return LOOP_END;
    search->key.member = index;
    member =
        bp_steer_to_member(search->ctx, search->ifindex, &search->key, search->steered == STEERED);
    if (member == MEMBER_REFUSED) return LOOP_CONTINUE;
    search->steered = STEERED;
    return member == MEMBER_BOUND || search->known < GROUP_BOUND ? LOOP_END : LOOP_CONTINUE;
}

static __always_inline long steer_to_members(__u32 members, struct group_search* search)
{
    for (__u32 index = 0; index < members; index++)
        if (steer_to_one(index, search) == LOOP_END) return LOOP_END;
    return LOOP_CONTINUE;
}

static long steer_to_later(__u32 pass, struct group_search* search)
{
    return steer_to_one(BP_GROUP_FIRST + pass, search);
}

/* Selects a socket that is bound to group->address: enum steered. As in the kernel, one that is
 * bound to the packet's device comes before one that is bound to none. Any member selects its whole
 * group; the kernel then chooses a member as usual. `kinds`: of the port; map `groups` is read only
 * with BP_LISTENER_GROUP. The argument is a pointer (Linux 5.13), which verifiers before 6.6 don't
 * take as a map key: hence the copy. */
GLOBAL int bp_steer_to(struct bpf_sk_lookup* ctx, __u32 ifindex,
                       const struct bp_listener_key* group, __u32 kinds)
{
    struct group_search search = {.ctx = ctx, .ifindex = ifindex, .steered = NOT_STEERED};

    if (!group) return NOT_STEERED;
    search.key = *group;
    search.key.member = 0;
    search.known = BP_GROUP_FIRST;
    if (kinds & BP_LISTENER_GROUP) search.known = group_read(&search.key);
    if (!HAS_LOOP) {
        struct group_search in_registers = search; /* no callback needs its address */

        steer_to_members(BP_GROUP_MEMBERS, &in_registers);
        return in_registers.steered;
    }
    /* Few groups have more members: for the first ones a loop costs less than bpf_loop(). */
    if (steer_to_members(BP_GROUP_FIRST, &search) != LOOP_END &&
        (search.known & GROUP_END) > BP_GROUP_FIRST)
        bpf_loop(BP_GROUP_MEMBERS - BP_GROUP_FIRST, steer_to_later, &search, 0);
    return search.steered;
}

/* Selects a listener on the target port as the kernel does: one on the address, then on the
 * wildcard address of the family, then, for IPv4, a dual-stack one. Kinds that the port never had are not
 * searched for: most ports have one listener, on a wildcard address. `flow`: its local address is read.
 * `wanted`: STEER_TO(). */
#define STEER_TO(proto, target) ((proto) << 16 | (target))
GLOBAL int bp_steer(struct bpf_sk_lookup* ctx, __u32 ifindex, const struct bp_flow_key* flow,
                    __u32 wanted)
{
    struct bp_listener_key key = {.port = wanted, .proto = wanted >> 16};
    __u32 kinds = key.proto == BP_TCP ? port_listeners(key.port) : ~0U; /* UDP: nothing is noted */

    if (!flow) return NOT_STEERED;
    if (kinds & BP_LISTENER_ADDRESS) {
        copy_address(key.address, flow->local);
        if (bp_steer_to(ctx, ifindex, &key, kinds) == STEERED) return STEERED;
    }
    if ((kinds & BP_LISTENER_ANY_V4) && address_is_v4(flow->local)) {
        map_v4(key.address, 0);
        if (bp_steer_to(ctx, ifindex, &key, kinds) == STEERED) return STEERED;
    }
    if (!(kinds & BP_LISTENER_ANY_V6)) return NOT_STEERED;
    __builtin_memset(key.address, 0, sizeof(key.address));
    return bp_steer_to(ctx, ifindex, &key, kinds);
}

/* Whether a program listens on the listen port of this loopback address, and keeps its clients
 * (rule_exempts): then that listener is selected. It is stored among the others. For datagrams tc
 * decides. */
static __always_inline bool steer_to_exempt(struct bpf_sk_lookup* ctx, __u32 ifindex, __u8 proto,
                                            const __u8* local, __be16 listen_port)
{
    struct bp_listener_key key = {.port = listen_port, .proto = proto};
    __u32 kinds = port_listeners(listen_port);

    if (proto == BP_UDP) return true;
    if (!(kinds & BP_LISTENER_ADDRESS)) return false;
    copy_address(key.address, local);
    return bp_steer_to(ctx, ifindex, &key, kinds) == STEERED;
}

/* Records the flow of a datagram that was steered: tc translates the answer (tc_out). */
static __always_inline void record_datagram(const struct bp_flow_key* key, __be16 listen_port,
                                            __u16 rule)
{
    struct bp_flow flow = {listen_port, key->target_port, rule, tick()};
    struct bp_flow* known = flow_lookup(BP_UDP, key);

    if (known && known->listen_port == listen_port && known->rule == rule) {
        flow_used(known);
        return;
    }
    if (!flow_store(BP_UDP, key, flow)) count_outcome(BP_OUTCOME_FLOW_LOST);
    last_local_store(key);
    count_connection(rule);
}

/* -- a connection that was steered: it inherits the record of its listener -- */

/* The record of a connection on `port`, in host byte order, if it was steered; NULL: it was not. */
static __always_inline struct bp_record* steered_record(struct bpf_sock* sk, __u16 port)
{
    struct bp_record* record = bpf_sk_storage_get(&bp_records, sk, 0, 0);

    return record && record->bound_port && record->bound_port != port ? record : NULL;
}

/* Runs for every getsockname(2) of an IPv4 or IPv6 socket on the machine. If the socket has no
 * storage the helper returns after one load. The kernel holds the socket's lock, so bp_listen has
 * finished with the connection. */
static __always_inline int name_connection(struct bpf_sock_addr* ctx)
{
    struct bpf_sock* sk = READ(ctx, sk);
    struct bp_record* record;

    if (!sk) return 1;
    record = bpf_sk_storage_get(&bp_records, sk, 0, 0);
    if (!record || !(record->flags & BP_RECORD_NAME)) return 1;
    /* The cgroup's own program has set the port. */
    if (bpf_sk_storage_get(&bp_sockname_set, sk, 0, 0)) return 1;
    ctx->user_port = bpf_htons(record->bound_port);
    return 1;
}

#endif
