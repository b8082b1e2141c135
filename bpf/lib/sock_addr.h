/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * System calls with an address (bind, connect, sendmsg, recvmsg, getsockname, getpeername): what
 * the call has, whether its port may concern a rule, which port its client gave, and the event of
 * it. An IPv4 address on an AF_INET6 socket is v4-mapped in the IPv6 hooks, so callers don't
 * distinguish families, nor TCP from Multipath TCP.
 *
 * An object defines bp_port_bitmap, bp_mptcp, bp_local_prefix, bp_orig_ports and bp_sockname_set when
 * it uses them.
 */
#ifndef BPFPORT_LIB_SOCK_ADDR_H
#define BPFPORT_LIB_SOCK_ADDR_H

#include "bpfport/event.h"
#include "bpfport/root_cgroup.h"
#include "bpfport/table.h"
#include "lib/address.h"

/* include/uapi/linux/in.h */
enum ip_protocol {
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    PROTOCOL_MPTCP = 262, /* the Multipath TCP socket; its subflows are TCP */
};

/* Return values. Bit 1 is for bind only (Linux 5.12). */
enum call_verdict {
    CALL_DENY = 0,
    CALL_ALLOW = 1,
    CALL_ALLOW_LOW_PORT = 3, /* without CAP_NET_BIND_SERVICE as well */
};

/* Old verifiers require a result of every function; clang removes one that is not used. */
#define used(value) asm volatile("" ::"r"(value))

struct call {
    __u8 address[16]; /* network byte order, IPv4 as a v4-mapped IPv6 address */
    __u16 port;       /* host byte order; 0: none, or the kernel shall choose */
    __u8 proto;       /* enum bp_proto */
};

static __always_inline bool address_means_loopback(const __u8* address)
{
    return address_is_loopback(address) || address_is_unspecified(address);
}

static __always_inline bool read_proto(__u32 protocol, __u8* proto)
{
    /* Of the three numbers only UDP's has bit 4. After a comparison the verifier would know the
     * value, and follow all code behind it once for each. */
    *proto = bounded(protocol >> 4, 1);
    return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_MPTCP;
}

/* Read the call's address, port and protocol. False: neither TCP nor UDP. */
static __always_inline bool read_call4(struct bpf_sock_addr* ctx, struct call* call)
{
    map_v4(call->address, READ(ctx, user_ip4));
    call->port = bpf_ntohs(READ(ctx, user_port));
    return read_proto(READ(ctx, protocol), &call->proto);
}

static __always_inline bool read_call6(struct bpf_sock_addr* ctx, struct call* call)
{
    READ_ADDRESS(call->address, ctx, user_ip6);
    call->port = bpf_ntohs(READ(ctx, user_port));
    return read_proto(READ(ctx, protocol), &call->proto);
}

static __always_inline void write_port(struct bpf_sock_addr* ctx, __u16 port)
{
    ctx->user_port = bpf_htons(port);
}

/* -- Multipath TCP (Go's servers since 1.24) --
 *
 * The hooks of bind and connect run for the first subflow, those of getsockname and getpeername for
 * the Multipath TCP socket. What a program stores in a socket it stores in both. */

/* The kernel can tell the Multipath TCP socket (bpf_skc_to_mptcp_sock, Linux 5.19). Without that
 * getsockname() says the target port; all else is the same. */
extern const volatile bool bp_mptcp;

static __always_inline struct mptcp_sock* mptcp_of(struct bpf_sock* sk)
{
    return bp_mptcp ? bpf_skc_to_mptcp_sock(sk) : NULL;
}

/* -- the first test of a program on the root cgroup, and nearly always the last: one load -- */

extern struct bp_port_bitmap bp_port_bitmap SEC(".data.bitmap");

static __always_inline bool port_is_known(const struct call* call)
{
    __u32 port = bounded(call->port, 0xffff);

    return bp_port_bitmap.bits[bounded(call->proto, 1)][port >> 6] & (1ULL << (port & 63));
}

/* -- whether the call is to this host -- */

struct local_prefix_map {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 262144); /* allocated when they are added */
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct bp_local_key);
    __type(value, __u8);
};

/* The local addresses of network namespaces with claims, written by the loader. */
extern struct local_prefix_map bp_local_prefix SEC(".maps");

static __always_inline bool is_local(const struct call* call, __u64 netns_cookie)
{
    struct bp_local_key key = {.length = BP_LOCAL_BITS};

    if (address_means_loopback(call->address)) return true;
    __builtin_memcpy(key.netns_cookie, &netns_cookie, sizeof(netns_cookie));
    copy_address(key.address, call->address);
    return bpf_map_lookup_elem(&bp_local_prefix, &key) != NULL;
}

/* -- the port that a client gave to connect() or sendto(), stored in its socket: getpeername() and
 * recvfrom() say that port -- */

struct orig_port_map {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct bp_orig_ports);
};

/* One map for all cgroups, since the programs that read it are on the root cgroup. */
extern struct orig_port_map bp_orig_ports SEC(".maps");

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

/* -- events (bpfport/event.h). Without a trace: one load. One ring buffer and one lease for the
 * cgroup programs of the machine (host/ in the store). -- */

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, BP_EVENT_BYTES);
} bp_events SEC(".maps");

struct bp_trace_lease bp_trace_lease SEC(".data.lease");

struct call_event {
    __u64 cgroup;
    __u16 listen; /* ports in host byte order */
    __u16 target;
    __u16 rule;
    __u8 kind;
};

/* Of a connect the call's address is the peer's, of a bind it is the local one. */
static __noinline int write_call_event(const struct call* call, const struct call_event* what)
{
    struct bp_event* event;
    __u64 now = bpf_ktime_get_ns();
    __u64 uid_gid = bpf_get_current_uid_gid();

    if (now > bp_trace_lease.expires) {
        bp_trace_lease.expires = 0; /* expired: the reader was killed */
        return 0;
    }
    event = bpf_ringbuf_reserve(&bp_events, sizeof(*event), 0);
    if (!event) {
        ATOMIC_ADD(&bp_trace_lease.lost, 1);
        return 0;
    }
    __builtin_memset(event, 0, sizeof(*event));
    event->time = now;
    event->cgroup = what->cgroup;
    event->kind = what->kind;
    event->rule = what->rule;
    event->proto = call->proto;
    event->listen_port = bpf_htons(what->listen);
    event->target_port = bpf_htons(what->target);
    copy_address(what->kind == BP_EVENT_CONNECT ? event->peer : event->local, call->address);
    event->pid = bpf_get_current_pid_tgid() >> 32;
    event->uid = (__u32)uid_gid;
    bpf_get_current_comm(event->comm, sizeof(event->comm));
    bpf_ringbuf_submit(event, 0);
    return 1;
}

/* Writes an event if a trace runs. */
static __always_inline void trace_call(const struct call* call, const struct call_event* what)
{
    if (*(volatile __u64*)&bp_trace_lease.expires) used(write_call_event(call, what));
}

/* -- what getsockname(2) says -- */

struct sockname_set_map {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, __u32);
};

/* Sockets whose own cgroup has a rule that decides what getsockname(2) says. A cgroup's program
 * runs before the root cgroup's, which then leaves the port alone. One map for all cgroups (host/
 * in the store). */
extern struct sockname_set_map bp_sockname_set SEC(".maps");

#endif
