/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Reverse: what turns a packet into the answer to it. Its length stays, so only fixed header fields
 * change, and checksums follow by their difference; two that change places change no sum.
 */
#ifndef BPFPORT_LIB_REVERSE_H
#define BPFPORT_LIB_REVERSE_H

#include "lib/l4.h"

struct tcp_fixed {
    __be16 source;
    __be16 destination;
    __be32 sequence;
    __be32 acknowledgment;
    __u8 offset;
    __u8 flags;
    __be16 window;
    __be16 checksum;
    __be16 urgent;
};

struct mac_pair {
    __u8 destination[ETH_ALEN];
    __u8 source[ETH_ALEN];
};

/* Swaps `size` bytes at `left` with those at `right`. */
static __always_inline bool swap_bytes(struct __sk_buff* skb, __u32 left, __u32 right, __u32 size)
{
    __u8 a[16], b[16];

    return !bpf_skb_load_bytes(skb, left, a, size) && !bpf_skb_load_bytes(skb, right, b, size) &&
           !bpf_skb_store_bytes(skb, left, b, size, 0) &&
           !bpf_skb_store_bytes(skb, right, a, size, 0);
}

static __always_inline bool reverse_link(struct __sk_buff* skb)
{
    return swap_bytes(skb, offsetof(struct mac_pair, destination),
                      offsetof(struct mac_pair, source), ETH_ALEN);
}

static __always_inline bool reverse_addresses(struct __sk_buff* skb, __u32 network, __u8 version)
{
    if (version == 6)
        return swap_bytes(skb, network + offsetof(struct ipv6hdr, saddr),
                          network + offsetof(struct ipv6hdr, daddr), 16);
    return swap_bytes(skb, network + offsetof(struct iphdr, saddr),
                      network + offsetof(struct iphdr, daddr), 4);
}

/* `new` in place of `old`, whose checksum it has; the sum follows. */
static __always_inline bool put_tcp(struct __sk_buff* skb, __u32 at, const struct tcp_fixed* old,
                                    const struct tcp_fixed* new)
{
    __s64 difference = bpf_csum_diff((__be32*)old, sizeof(*old), (__be32*)new, sizeof(*new), 0);

    return difference >= 0 && !bpf_skb_store_bytes(skb, at, new, sizeof(*new), 0) &&
           !bpf_l4_csum_replace(skb, at + offsetof(struct tcp_fixed, checksum), 0, difference, 0);
}

#endif
