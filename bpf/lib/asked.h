/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Asked: what a client asked for is kept with its socket, so that it is told so again by
 * getpeername() and recvfrom(). One map for all cgroups, since the programs that ask it are the
 * root cgroup's.
 */
#ifndef BPFPORT_LIB_ASKED_H
#define BPFPORT_LIB_ASKED_H

#include "bpfport/root_cgroup.h"
#include "lib/mptcp.h"
#include "lib/sockaddr.h"

struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct bp_orig_ports);
} bp_orig_ports SEC(".maps");

/* What is local in network namespaces with claims; the loader keeps it. */
struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 262144); /* allocated one by one */
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct bp_local_key);
    __type(value, __u8);
} bp_local_prefix SEC(".maps");

static __always_inline bool is_local(const struct call* call, __u64 netns_cookie)
{
    struct bp_local_key key = {.length = BP_LOCAL_BITS};

    if (address_means_loopback(call->address)) return true;
    __builtin_memcpy(key.netns_cookie, &netns_cookie, sizeof(netns_cookie));
    copy_address(key.address, call->address);
    return bpf_map_lookup_elem(&bp_local_prefix, &key) != NULL;
}

static __always_inline void asked_write(struct bp_orig_ports* asked, __u16 port, __u16 target)
{
    __u32 place = asked->next;

    for (__u32 i = 0; i < BP_ORIG_PORTS; i++)
        if (asked->pairs[i].target == target) place = i;
    if (place == asked->next) asked->next = (place + 1) % BP_ORIG_PORTS;
    place = bounded(place, BP_ORIG_PORTS - 1);
    asked->pairs[place].orig = port;
    asked->pairs[place].target = target;
}

/* False: no memory. The call is left alone then, rather than told a port that nobody asked for. */
static __always_inline bool asked_remember(struct bpf_sock* sk, __u16 port, __u16 target,
                                           bool fresh)
{
    struct bp_orig_ports* asked =
        bpf_sk_storage_get(&bp_orig_ports, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    struct mptcp_sock* whole;

    if (!asked) return false;
    asked_write(asked, port, target);
    if (fresh) asked->cgroup_target = target;
    whole = mptcp_of(sk); /* which is the one that getpeername() is asked of */
    if (whole) {
        asked = bpf_sk_storage_get(&bp_orig_ports, whole, 0, BPF_SK_STORAGE_GET_F_CREATE);
        if (asked) asked_write(asked, port, target);
    }
    return true;
}

static __always_inline void asked_erase(struct bp_orig_ports* asked, __u16 target)
{
    for (__u32 i = 0; i < BP_ORIG_PORTS; i++)
        if (asked->pairs[i].target == target) asked->pairs[i].orig = 0;
}

/* A call that goes straight to a port that may be some rule's target: from now on this socket
 * talks to it directly, unless a cgroup's program has just sent it there. */
static __always_inline void asked_settle(struct bpf_sock* sk, __u16 port)
{
    struct bp_orig_ports* asked = bpf_sk_storage_get(&bp_orig_ports, sk, 0, 0);
    struct mptcp_sock* whole;

    if (!asked) return;
    if (asked->cgroup_target == port) {
        asked->cgroup_target = 0;
        return;
    }
    asked_erase(asked, port);
    whole = mptcp_of(sk);
    if (!whole) return;
    asked = bpf_sk_storage_get(&bp_orig_ports, whole, 0, 0);
    if (asked) asked_erase(asked, port);
}

/* The port that the client knows this one by; 0: just so. */
static __always_inline __u16 asked_for(struct bpf_sock* sk, __u16 port)
{
    struct bp_orig_ports* asked = bpf_sk_storage_get(&bp_orig_ports, sk, 0, 0);

    if (!asked) return 0;
    for (__u32 i = 0; i < BP_ORIG_PORTS; i++)
        if (asked->pairs[i].target == port) return asked->pairs[i].orig;
    return 0;
}

#endif
