/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Listeners: the sockets that the sklookup engine selects from, by the address and port they are
 * bound to, how they are stored, and how one that began to listen before the programs ran is found.
 * The kernel deletes a socket that is closed. Each member of a SO_REUSEPORT group has an entry of its
 * own, so that the group is served as long as one of them exists.
 */
#ifndef BPFPORT_LIB_LISTENERS_H
#define BPFPORT_LIB_LISTENERS_H

#include "bpfport/listener.h"
#include "lib/ctx.h"
#include "lib/flows.h"
#include "lib/packet.h"
#include "lib/rules.h"

/* What is known of listeners on a TCP port: enum bp_fallback, enum bp_listener_kind. */
static __always_inline __u32 port_listeners(__be16 port)
{
    return bp_table.listeners[port_index(port)];
}

/* An atomic instruction, since the word has the bytes of other ports, too (Linux 5.12: for the
 * sklookup object only). */
static __always_inline void note_listeners(__be16 port, __u32 bits)
{
    __u32 index = port_index(port);
    __u32* word = (__u32*)&bp_table.listeners[index & 0xfffc];

    __sync_fetch_and_or(word, bits << 8 * (index & 3));
}

/* To be called before a listener is stored under the key. */
static __always_inline void note_kind(const struct bp_listener_key* key, bool bound)
{
    __u32 kind = BP_LISTENER_ADDRESS;

    if (key->proto != BP_TCP) return;
    if (address_is_unspecified(key->address))
        kind = address_is_v4(key->address) ? BP_LISTENER_ANY_V4 : BP_LISTENER_ANY_V6;
    if (bound) kind |= BP_LISTENER_GROUP;
    if ((port_listeners(key->port) & kind) != kind) note_listeners(key->port, kind);
}

/* To be called after a listener was stored under the key, as that member. */
static __always_inline void note_member(const struct bp_listener_key* key)
{
    if (key->proto == BP_TCP && key->member >= BP_GROUP_FIRST)
        note_listeners(key->port, BP_LISTENER_GROUP);
}

struct {
    __uint(type, BPF_MAP_TYPE_SOCKHASH);
    __uint(max_entries, BP_MAX_LISTENERS);
    __type(key, struct bp_listener_key);
    __type(value, __u64); /* user space reads the socket's cookie */
} bp_listeners SEC(".maps");

/* For an address and port (the key with member 0): the number of members, if it ever exceeded
 * BP_GROUP_FIRST, and whether a member is bound to a device. If this map is full the group is still
 * served, by its first members: any member selects its group. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, BP_MAX_LISTENERS);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct bp_listener_key);
    __type(value, __u32);
} bp_groups SEC(".maps");

#define GROUP_END 0xffff    /* behind the highest member in use */
#define GROUP_BOUND 0x10000 /* counts bound members; 0: none */

static __always_inline __u32 group_read(const struct bp_listener_key* group)
{
    const __u32* known = bpf_map_lookup_elem(&bp_groups, group);
    __u32 value = known ? *(volatile __u32*)known : 0;

    return (value & GROUP_END) < BP_GROUP_FIRST ? (value & ~GROUP_END) | BP_GROUP_FIRST : value;
}

/* `member` was stored. When several CPUs do this at once the end may become too large, which costs
 * a look-up, but never too small. */
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

struct member_search {
    struct bpf_sock* sk; /* to be stored */
    struct bp_listener_key* key;
    __u32 end;
    __u32 device;
    int result;
};

static long store_member(__u32 member, struct member_search* search)
{
    search->key->member = member;
    search->result = bpf_map_update_elem(&bp_listeners, search->key, search->sk, BPF_NOEXIST);
    return search->result == -BP_EEXIST ? LOOP_CONTINUE : LOOP_END;
}

/* Stores a socket as the first free member, and returns that in key->member. The error has 32 bits:
 * before Linux 6.4 the upper bits are not sign-extended. */
static __always_inline int store_listener(struct bpf_sock* sk, struct bp_listener_key* key)
{
    struct member_search search = {.sk = sk, .key = key};

    LOOP(BP_GROUP_MEMBERS, store_member, &search);
    if (!search.result) group_join(key, READ(sk, bound_dev_if));
    return search.result;
}

static long member_lives(__u32 member, struct member_search* search)
{
    struct bpf_sock* sk;
    __u32 bound;

    if (member >= search->end) return LOOP_END;
    search->key->member = member;
    sk = bpf_map_lookup_elem(&bp_listeners, search->key);
    if (!sk) return LOOP_CONTINUE;
    bound = READ(sk, bound_dev_if);
    bpf_sk_release(sk);
    search->result = bound == search->device;
    return search->result ? LOOP_END : LOOP_CONTINUE;
}

/* Whether the group has a member that is bound to `device`; 0: one that is bound to none. */
static __always_inline bool group_has_member(struct bp_listener_key* group, __u32 device)
{
    struct member_search search = {.key = group, .device = device};

    group->member = 0;
    search.end = group_read(group) & GROUP_END;
    LOOP(BP_GROUP_MEMBERS, member_lives, &search);
    return search.result;
}

/* -- listeners that sk_lookup can't select: tc serves them as the fallback -- */

static __always_inline void fallback_activate(const struct bp_listener_key* key)
{
    /* Any user may bind an address that is not local (IP_FREEBIND); no client can connect to it. */
    if (!address_is_unspecified(key->address) && !address_is_local(key->address)) return;

    note_listeners(key->port,
                   address_is_loopback(key->address) ? BP_FALLBACK_LOOPBACK : BP_FALLBACK_ALL);
    bp_table.fallback_active = 1;
    bp_table.tc_used = 1;
}

/* Whether all rules are sklookup's with tc as their fallback, and tc has never served one in this network
 * namespace. Then tc has no flow, hint or record, and nothing to do. */
static __always_inline bool tc_unused(void) { return !*(volatile __u32*)&bp_table.tc_used; }

static __always_inline bool fallback_wanted(__be16 target, const __u8* local)
{
    __u32 fallback = port_listeners(target) & BP_ANY_FALLBACK;

    return fallback & BP_FALLBACK_ALL || (fallback && address_is_loopback(local));
}

/* -- connections of a listener -- */

/* Connections of the listener, which is bound to `port` in host byte order, inherit that. */
static __always_inline void put_bound_port(struct bpf_sock* sk, __u16 port)
{
    struct bp_record first = {.bound_port = port};
    struct bp_record* record =
        bpf_sk_storage_get(&bp_records, sk, &first, BPF_SK_STORAGE_GET_F_CREATE);

    if (record) record->bound_port = port;
}

/* -- a socket that listened before the programs ran (struct bp_find in bpfport/listener.h) -- */

static __always_inline struct bpf_sock* find_socket(struct __sk_buff* skb,
                                                    const struct bp_find* wanted)
{
    struct bp_flow_key key = {};
    struct bpf_sock_tuple tuple = {};
    __u32 size;

    /* The source is the unspecified address, which no connection has. */
    if (address_is_v4(wanted->address)) map_v4(key.peer, 0);
    copy_address(key.local, wanted->address);
    key.peer_port = wanted->peer_port;
    size = socket_tuple(&tuple, &key, wanted->port);
    if (wanted->proto == BP_UDP)
        return bpf_sk_lookup_udp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
    return bpf_sk_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
}

static __always_inline void store_found(struct bpf_sock* sk, struct bp_find* find)
{
    struct bp_listener_key key = {.port = find->port, .proto = find->proto};

    find->found = 1;
    bound_address(sk, key.address);
    note_kind(&key, READ(sk, bound_dev_if));
    find->error = store_listener(sk, &key);
    if (!find->error) note_member(&key);
    find->member = key.member;
    copy_address(find->address, key.address);
    if (find->proto == BP_UDP) return;
    if (!find->error || find->error == -BP_EEXIST)
        put_bound_port(sk, bpf_ntohs(find->port));
    else
        fallback_activate(&key);
}

#endif
