/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Flows: the maps of bpfport/flow.h: which flows are recorded, and for how long.
 *
 * A flow is changed through the pointer that a look-up returned: an update of an existing key of an
 * LRU map takes a free node first, and may evict another flow (kernel/bpf/hashtab.c).
 */
#ifndef BPFPORT_LIB_FLOWS_H
#define BPFPORT_LIB_FLOWS_H

#include "bpfport/flow.h"
#include "bpfport/table.h"
#include "lib/address.h"
#include "lib/count.h"
#include "lib/kernel.h"

struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
    __type(key, int);
    __type(value, struct bp_record);
} bp_records SEC(".maps");

/* The record of a socket; NULL: none, or one that does not tell yet which port the peer sees. */
static __always_inline struct bp_record* flow_record(struct bpf_sock* sk)
{
    struct bp_record* record = bpf_sk_storage_get(&bp_records, sk, 0, 0);

    return record && (record->flags & BP_RECORD_FLOW) ? record : NULL;
}

/* Makes the record of a connection that is redirected. False: there is no memory. */
static __always_inline bool record_connection(struct bpf_sock* sk, __be16 listen_port, __u16 rule)
{
    struct bp_record first = {};
    struct bp_record* record =
        bpf_sk_storage_get(&bp_records, sk, &first, BPF_SK_STORAGE_GET_F_CREATE);

    if (!record) return false;
    record->listen_port = listen_port;
    record->rule = rule;
    record->flags |= BP_RECORD_FLOW;
    return true;
}

/* User space sets max_entries of the LRU maps. */
struct flow_map {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 65536);
    __type(key, struct bp_flow_key);
    __type(value, struct bp_flow);
};

struct flow_map bp_hints SEC(".maps");
struct flow_map bp_udp_flows SEC(".maps");
struct flow_map bp_forward_udp SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 65536);
    __type(key, struct bp_flow_key);
    __type(value, struct bp_forward);
} bp_forward_tcp SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 65536);
    __type(key, struct bp_flow_key);
    __type(value, struct bp_last_local);
} bp_last_local SEC(".maps");

/* Time in ticks of four to eight seconds: the kernel's jiffies, whose read is a load and no call,
 * shifted by what user space computes from their rate. */
const volatile __u32 bp_tick_shift = 10;
#define IDLE_TICKS 30 /* an UDP flow is in use for two to four minutes after its last packet */

static __always_inline __u16 tick(void) { return bpf_jiffies64() >> (bp_tick_shift & 31); }

static __always_inline bool in_use(const struct bp_flow* flow)
{
    return (__u16)(tick() - flow->last_used) < IDLE_TICKS;
}

/* Written only when it changes: all CPUs share the flow's cache line. */
static __always_inline void flow_used(struct bp_flow* flow)
{
    __u16 now = tick();

    if (flow->last_used != now) flow->last_used = now;
}

/* Whether a packet of a recorded flow may begin a new one, for which the rule is chosen anew: by the client,
 * or by weights, which may have changed since. `opens`: a SYN, or a datagram. */
static __always_inline bool chooses_anew(const struct bp_flow* flow, const struct bp_rule* rule,
                                         __u8 proto, bool opens)
{
    return opens && (rule->clients | rule->shares) && (proto == BP_TCP || !in_use(flow));
}

/* Whether the flow is in use through another port than `listen_port` (0: the target port itself).
 * Then the older use wins. */
static __always_inline bool is_taken(const struct bp_flow* flow, __be16 listen_port)
{
    return flow && flow->listen_port != listen_port && in_use(flow);
}

static __always_inline enum bp_outcome outcome_of_taken(const struct bp_flow* older)
{
    return older->listen_port ? BP_OUTCOME_OLDER_REDIRECTED : BP_OUTCOME_OLDER_DIRECT;
}

/* A flow that a socket of this host on the listen port began (lib/reply.h): its target is the
 * listen port, and its packets are not changed. */
static __always_inline bool is_own_flow(const struct bp_flow* flow, __be16 listen_port)
{
    return !flow->listen_port && flow->target_port == listen_port && in_use(flow);
}

static __always_inline struct bp_flow* flow_lookup(__u8 proto, const struct bp_flow_key* key)
{
    if (proto == BP_UDP) {
        struct bp_flow* flow = bpf_map_lookup_elem(&bp_udp_flows, key);

        barrier();
        return flow;
    }
    return bpf_map_lookup_elem(&bp_hints, key);
}

static __always_inline struct bp_flow* forward_udp_lookup(const struct bp_flow_key* key)
{
    return bpf_map_lookup_elem(&bp_forward_udp, key);
}

/* A single store of 8 aligned bytes: another CPU reads the old flow or the new one. */
static __always_inline void flow_assign(struct bp_flow* flow, struct bp_flow value)
{
    union {
        struct bp_flow flow;
        __u64 word;
    } whole = {.flow = value};

    *(volatile __u64*)flow = whole.word;
}

/* Inserts or changes a flow. False: the map had no room. A new flow is looked up once: a full LRU
 * map evicts first the entries that were never looked up, which are the newest ones; of a batch of
 * SYNs some would lose their hint before they are answered. */
static __always_inline bool flow_store(__u8 proto, const struct bp_flow_key* key,
                                       struct bp_flow value)
{
    struct bp_flow* known = flow_lookup(proto, key);

    if (known) {
        flow_assign(known, value);
        return true;
    }
    if (proto == BP_UDP) {
        if (bpf_map_update_elem(&bp_udp_flows, key, &value, BPF_ANY)) return false;
        count_stored(BP_FLOWS_UDP);
        return flow_lookup(proto, key);
    }
    if (bpf_map_update_elem(&bp_hints, key, &value, BPF_ANY)) return false;
    count_stored(BP_FLOWS_HINTS);
    return flow_lookup(proto, key);
}

static __always_inline void flow_delete(__u8 proto, const struct bp_flow_key* key)
{
    if (proto == BP_UDP)
        bpf_map_delete_elem(&bp_udp_flows, key);
    else
        bpf_map_delete_elem(&bp_hints, key);
}

static __always_inline struct bp_last_local* last_local_lookup(const struct bp_flow_key* key)
{
    struct bp_flow_key any = *key;

    __builtin_memset(any.local, 0, sizeof(any.local));
    return bpf_map_lookup_elem(&bp_last_local, &any);
}

/* The peer of this UDP flow sent to its local address. */
static __always_inline void last_local_store(const struct bp_flow_key* key)
{
    struct bp_flow_key any = *key;
    struct bp_last_local at;

    copy_address(at.local, key->local);
    __builtin_memset(any.local, 0, sizeof(any.local));
    bpf_map_update_elem(&bp_last_local, &any, &at, BPF_ANY);
}

static __always_inline bool forward_udp_store(const struct bp_flow_key* key, struct bp_flow value)
{
    struct bp_flow* known = forward_udp_lookup(key);

    if (known) {
        flow_assign(known, value);
        return true;
    }
    if (bpf_map_update_elem(&bp_forward_udp, key, &value, BPF_ANY)) return false;
    count_stored(BP_FLOWS_FORWARD_UDP);
    return forward_udp_lookup(key);
}

#endif
