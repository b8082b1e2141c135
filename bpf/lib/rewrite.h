/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Rewrite: changes a port or other header fields of a packet, and keeps its checksums as valid as
 * they were.
 *
 * rewrite_port() has two forms, chosen when the object is built: direct  writes to the packet. The
 * program must know whether the checksum is partial (its field then has the sum of the
 * pseudo-header, in which there are no ports): that takes bpf_cast_to_kern_ctx, a kfunc of Linux
 * 6.2, and the kernel's BTF. helper  bpf_l4_csum_replace and bpf_skb_store_bytes, which take that
 * into account; every kernel. With CHECKSUM_COMPLETE both are right: the changes of port and
 * checksum cancel out in skb->csum.
 */
#ifndef BPFPORT_LIB_REWRITE_H
#define BPFPORT_LIB_REWRITE_H

#include "lib/ctx.h"
#include "lib/l4.h"

/* A datagram of this host that the kernel or the device will segment (UDP_SEGMENT): its checksum
 * field has the sum of the pseudo-header even without checksum offload, where ip_summed is not
 * CHECKSUM_PARTIAL; the kernel completes it as it segments (net/ipv4/udp_offload.c). */
static __always_inline bool to_be_segmented(const struct __sk_buff* skb, const struct l4* l4)
{
    return l4->proto == BP_UDP && READ(skb, gso_size) && !READ(skb, ingress_ifindex);
}

#if DIRECT_WRITE
#define CHECKSUM_STATE_PARTIAL 3 /* CHECKSUM_PARTIAL */

static __always_inline bool rewrite_port(struct __sk_buff* skb, const struct l4* l4,
                                         const struct port_change* change)
{
    struct sk_buff* kernel_skb = bpf_cast_to_kern_ctx(skb);
    void* end = skb_end(skb);
    __u32 at = change->transport;

    if (at > MAX_HEADERS) return false;

    __u8* header = skb_data(skb) + bounded(at, HEADERS_MASK);

    if (header + l4->header > (__u8*)end) return false;
    *(__be16*)(header + change->port) = change->to;
    if (BPF_CORE_READ_BITFIELD(kernel_skb, ip_summed) == CHECKSUM_STATE_PARTIAL) return true;
    if (change->port == SOURCE_PORT && to_be_segmented(skb, l4)) return true;
    update_checksum(header, l4, change);
    return true;
}
#else
static __always_inline bool rewrite_port(struct __sk_buff* skb, const struct l4* l4,
                                         const struct port_change* change)
{
    __u32 checksum = change->transport + l4->checksum;
    __u64 flags = sizeof(__be16) | (l4->zero_is_none ? BPF_F_MARK_MANGLED_0 : 0);

    if (change->port == SOURCE_PORT && to_be_segmented(skb, l4))
        return !bpf_skb_store_bytes(skb, change->transport + change->port, &change->to,
                                    sizeof(__be16), 0);
    if (bpf_l4_csum_replace(skb, checksum, change->from, change->to, flags)) return false;
    if (!bpf_skb_store_bytes(skb, change->transport + change->port, &change->to, sizeof(__be16), 0))
        return true;
    bpf_l4_csum_replace(skb, checksum, change->to, change->from, flags);
    return false;
}
#endif

/* For XDP, which can't read ip_summed: a packet of a veth peer or of a virtual machine keeps
 * CHECKSUM_PARTIAL through XDP_PASS. Its checksum field has the sum of the pseudo-header, in which
 * there are no ports, and so has one complete checksum in 65536. Neither is changed here: the
 * packet goes to tc, which can tell. Packets merged by GRO are partial as well, so with generic XDP
 * they go to tc, which counts their segments. False: the packet is unchanged. */
static __always_inline bool rewrite_complete(__u8* header, const struct packet* p,
                                             const struct l4* l4, const struct bp_flow_key* key,
                                             const struct port_change* change)
{
    if (*(__u16*)(header + l4->checksum) == pseudo_sum(key, p->protocol, p->l4_len)) return false;
    *(__be16*)(header + change->port) = change->to;
    update_checksum(header, l4, change);
    return true;
}

/* -- turning a packet into the answer to it: its length stays, fixed header fields change -- */

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

/* Swaps `size` bytes at `left` with those at `right`. Checksums don't change by that. */
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

/* Replaces `old` by `new`, in which the checksum is still that of `old`. */
static __always_inline bool replace_tcp(struct __sk_buff* skb, __u32 at,
                                        const struct tcp_fixed* old, const struct tcp_fixed* new)
{
    __s64 difference = bpf_csum_diff((__be32*)old, sizeof(*old), (__be32*)new, sizeof(*new), 0);

    return difference >= 0 && !bpf_skb_store_bytes(skb, at, new, sizeof(*new), 0) &&
           !bpf_l4_csum_replace(skb, at + offsetof(struct tcp_fixed, checksum), 0, difference, 0);
}

#endif
