/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Address: 16 bytes in network byte order, aligned to 4, IPv4 as a v4-mapped IPv6 address. All
 * access is by 32-bit words: contexts have IPv6 addresses in such words, and old verifiers refuse
 * other access. At the end, the two addresses of a flow as the kernel's look-ups take them.
 */
#ifndef BPFPORT_LIB_ADDRESS_H
#define BPFPORT_LIB_ADDRESS_H

#include "bpfport/flow.h"
#include "lib/kernel.h"

#define FAMILY_V4 2  /* AF_INET */
#define FAMILY_V6 10 /* AF_INET6 */

/* An IPv6 address in a context or a struct bpf_sock: four fields of 32 bits (see READ). */
#define READ_ADDRESS(to, object, field)                                                            \
    do {                                                                                           \
        __u32* words_to = (__u32*)(to);                                                            \
                                                                                                   \
        words_to[0] = READ(object, field[0]);                                                      \
        words_to[1] = READ(object, field[1]);                                                      \
        words_to[2] = READ(object, field[2]);                                                      \
        words_to[3] = READ(object, field[3]);                                                      \
    } while (0)

static __always_inline void copy_address(__u8* to, const void* from)
{
    __u32* words = (__u32*)to;
    const __u32* source = from;

    words[0] = source[0];
    words[1] = source[1];
    words[2] = source[2];
    words[3] = source[3];
}

static __always_inline void map_v4(__u8* to, __be32 address)
{
    __u32* words = (__u32*)to;

    words[0] = 0;
    words[1] = 0;
    words[2] = bpf_htonl(0xffff);
    words[3] = address;
}

/* -- of a full socket -- */

static __always_inline void bound_address(const struct bpf_sock* sk, __u8* address)
{
    if (READ(sk, family) == FAMILY_V4) {
        map_v4(address, READ(sk, src_ip4));
        return;
    }
    READ_ADDRESS(address, sk, src_ip6);
}

static __always_inline void connected_address(const struct bpf_sock* sk, __u8* address)
{
    if (READ(sk, family) == FAMILY_V4) {
        map_v4(address, READ(sk, dst_ip4));
        return;
    }
    READ_ADDRESS(address, sk, dst_ip6);
}

/* -- comparisons -- */

static __always_inline bool address_equal(const __u8* left, const __u8* right)
{
    const __u32* a = (const __u32*)left;
    const __u32* b = (const __u32*)right;

    /* One branch instead of four: the verifier follows each through all code behind it. */
    return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]));
}

static __always_inline bool address_within(const __u8* address, const __u8* prefix,
                                           const __u8* mask)
{
    const __u32* a = (const __u32*)address;
    const __u32* b = (const __u32*)prefix;
    const __u32* m = (const __u32*)mask;

    return !(((a[0] ^ b[0]) & m[0]) | ((a[1] ^ b[1]) & m[1]) | ((a[2] ^ b[2]) & m[2]) |
             ((a[3] ^ b[3]) & m[3]));
}

static __always_inline bool address_is_v4(const __u8* address)
{
    const __u32* words = (const __u32*)address;

    return !(words[0] | words[1] | (words[2] ^ bpf_htonl(0xffff)));
}

static __always_inline bool address_is_loopback(const __u8* address)
{
    const __u32* words = (const __u32*)address;

    if (address_is_v4(address)) return address[12] == 127;
    return !(words[0] | words[1] | words[2] | (words[3] ^ bpf_htonl(1)));
}

/* 0.0.0.0 and ::, which connect() takes for the loopback address. */
static __always_inline bool address_is_unspecified(const __u8* address)
{
    const __u32* words = (const __u32*)address;

    return !words[3] && !words[0] && !words[1] && (!words[2] || address_is_v4(address));
}

static __always_inline bool address_is_multicast(const __u8* address)
{
    const __u32* words = (const __u32*)address;

    if (!address_is_v4(address)) return address[0] == 0xff;
    return address[12] >> 4 == 0xe || words[3] == 0xffffffff;
}

/* The socket tuple of a flow, with `local_port` as its local port. Returns its size, for the
 * look-up. */
static __always_inline __u32 socket_tuple(struct bpf_sock_tuple* tuple,
                                          const struct bp_flow_key* key, __be16 local_port)
{
    if (address_is_v4(key->local)) {
        tuple->ipv4.saddr = ((const __u32*)key->peer)[3];
        tuple->ipv4.daddr = ((const __u32*)key->local)[3];
        tuple->ipv4.sport = key->peer_port;
        tuple->ipv4.dport = local_port;
        return sizeof(tuple->ipv4);
    }
    copy_address((__u8*)tuple->ipv6.saddr, key->peer);
    copy_address((__u8*)tuple->ipv6.daddr, key->local);
    tuple->ipv6.sport = key->peer_port;
    tuple->ipv6.dport = local_port;
    return sizeof(tuple->ipv6);
}

/* Sets the family and addresses for a route look-up of a packet from the flow's peer. */
static __always_inline void fib_addresses(struct bpf_fib_lookup* fib, const struct bp_flow_key* key)
{
    if (address_is_v4(key->local)) {
        fib->family = FAMILY_V4;
        fib->ipv4_src = ((const __u32*)key->peer)[3];
        fib->ipv4_dst = ((const __u32*)key->local)[3];
        return;
    }
    fib->family = FAMILY_V6;
    copy_address((__u8*)fib->ipv6_src, key->peer);
    copy_address((__u8*)fib->ipv6_dst, key->local);
}

#endif
