/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Original ports: which port a client gave to connect() or sendto(), stored in its socket, so that
 * getpeername() and recvfrom() say that port. One map for all cgroups, since the programs that read
 * it are on the root cgroup.
 */
#ifndef BPFPORT_LIB_ORIG_PORTS_H
#define BPFPORT_LIB_ORIG_PORTS_H

#include "bpfport/root_cgroup.h"
#include "lib/sock_addr.h"

struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct bp_orig_ports);
} bp_orig_ports SEC(".maps");

/* The local addresses of network namespaces with claims, written by the loader. */
struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 262144); /* allocated when they are added */
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

static __always_inline void orig_port_write(struct bp_orig_ports* ports, __u16 port, __u16 target)
{
    __u32 index = ports->next;

    for (__u32 i = 0; i < BP_ORIG_PORTS; i++)
        if (ports->pairs[i].target == target) index = i;
    if (index == ports->next) ports->next = (index + 1) % BP_ORIG_PORTS;
    index = bounded(index, BP_ORIG_PORTS - 1);
    ports->pairs[index].orig = port;
    ports->pairs[index].target = target;
}

/* False: no memory; the caller leaves the call alone, since getpeername() would say a wrong port.
 * `by_cgroup`: by the program of the socket's own cgroup. */
static __always_inline bool orig_port_store(struct bpf_sock* sk, __u16 port, __u16 target,
                                            bool by_cgroup)
{
    struct bp_orig_ports* ports =
        bpf_sk_storage_get(&bp_orig_ports, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    struct mptcp_sock* whole;

    if (!ports) return false;
    orig_port_write(ports, port, target);
    if (by_cgroup) ports->cgroup_target = target;
    whole = mptcp_of(sk); /* getpeername() runs for this one */
    if (whole) {
        ports = bpf_sk_storage_get(&bp_orig_ports, whole, 0, BPF_SK_STORAGE_GET_F_CREATE);
        if (ports) orig_port_write(ports, port, target);
    }
    return true;
}

static __always_inline void orig_port_erase(struct bp_orig_ports* ports, __u16 target)
{
    for (__u32 i = 0; i < BP_ORIG_PORTS; i++)
        if (ports->pairs[i].target == target) ports->pairs[i].orig = 0;
}

/* A call straight to a port that may be a target port: from now on getpeername() says that port,
 * unless the cgroup's own program has redirected this very call to it. */
static __always_inline void orig_port_clear(struct bpf_sock* sk, __u16 port)
{
    struct bp_orig_ports* ports = bpf_sk_storage_get(&bp_orig_ports, sk, 0, 0);
    struct mptcp_sock* whole;

    if (!ports) return;
    if (ports->cgroup_target == port) {
        ports->cgroup_target = 0;
        return;
    }
    orig_port_erase(ports, port);
    whole = mptcp_of(sk);
    if (!whole) return;
    ports = bpf_sk_storage_get(&bp_orig_ports, whole, 0, 0);
    if (ports) orig_port_erase(ports, port);
}

/* The port that the client gave for this target port; 0: this one. */
static __always_inline __u16 orig_port_of(struct bpf_sock* sk, __u16 port)
{
    struct bp_orig_ports* ports = bpf_sk_storage_get(&bp_orig_ports, sk, 0, 0);

    if (!ports) return 0;
    for (__u32 i = 0; i < BP_ORIG_PORTS; i++)
        if (ports->pairs[i].target == port) return ports->pairs[i].orig;
    return 0;
}

#endif
