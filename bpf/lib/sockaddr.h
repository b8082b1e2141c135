/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Sockaddr: a system call with an address, read once; past here nothing knows IPv4 from IPv6 nor
 * TCP from Multipath TCP. An AF_INET6 socket's IPv4 address comes v4-mapped to the IPv6 hooks, so
 * both kinds look alike.
 */
#ifndef BPFPORT_LIB_SOCKADDR_H
#define BPFPORT_LIB_SOCKADDR_H

#include "bpfport/table.h"
#include "lib/address.h"

/* include/uapi/linux/in.h */
enum ip_protocol {
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    PROTOCOL_MPTCP = 262, /* a Multipath-TCP socket itself; its subflows are TCP */
};

/* What the programs return. Only bind may carry the second bit (5.12). */
enum call_verdict {
    CALL_DENY = 0,
    CALL_ALLOW = 1,
    CALL_ALLOW_LOW_PORT = 3, /* ... without CAP_NET_BIND_SERVICE */
};

/* Old verifiers want a value of every function, and clang drops one that nobody reads. */
#define used(value) asm volatile("" ::"r"(value))

struct call {
    __u8 address[16]; /* network order, IPv4 as v4-mapped */
    __u16 port;       /* host order; 0: none, or the kernel's choice */
    __u8 proto;       /* enum bp_proto */
};

static __always_inline bool address_means_loopback(const __u8* address)
{
    return address_is_loopback(address) || address_is_unspecified(address);
}

static __always_inline bool read_proto(__u32 protocol, __u8* proto)
{
    /* Of the three, bit 4 is set in UDP's number only. A comparison would leave the verifier with a
     * known value, and it would walk all that follows once for each. */
    *proto = bounded(protocol >> 4, 1);
    return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_MPTCP;
}

/* False: not a call we have to do with. */
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

#endif
