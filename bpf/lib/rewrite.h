/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Rewrite: changes a port or other header fields of a packet, and keeps its checksums as valid as
 * they were.
 *
 * rewrite_port() has two forms, chosen when the object is built. The direct one writes to the packet.
 * It must know whether the checksum is partial (its field then has the sum of the pseudo-header, in
 * which there are no ports): that takes bpf_cast_to_kern_ctx, a kfunc of Linux 6.2, and the kernel's
 * BTF. The other one, for every kernel, calls bpf_l4_csum_replace and bpf_skb_store_bytes, which take
 * that into account. With CHECKSUM_COMPLETE both are right: the changes of port and checksum cancel
 * out in skb->csum.
 */
#ifndef BPFPORT_LIB_REWRITE_H
#define BPFPORT_LIB_REWRITE_H

#include "lib/ctx.h"
#include "lib/l4.h"

/* RFC 1624, equation 3: the checksum after a 16-bit word has changed. */
static __always_inline __u16 checksum_after(__u16 checksum, __u16 from, __u16 to)
{
    __u32 sum = (__u16)~checksum + (__u16)~from + to;

    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

/* A port to be changed. */
struct port_change {
    __u32 transport; /* offset of the transport header */
    __u32 port;      /* SOURCE_PORT or DESTINATION_PORT */
    __be16 from;
    __be16 to;
};

/* Updates the checksum, which must be complete, of a header whose port has changed. */
static __always_inline void update_checksum(__u8* header, const struct l4* l4,
                                            const struct port_change* change)
{
    __u16* checksum = (__u16*)(header + l4->checksum);
    __u16 old = *checksum;

    if (l4->zero_is_none) {
        if (!old) return;
        old = checksum_after(old, change->from, change->to);
        *checksum = old ? old : 0xffff;
    } else {
        *checksum = checksum_after(old, change->from, change->to);
    }
}

static __always_inline __u16 fold(__u64 sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/* The sum of the pseudo-header, which the field of a partial checksum has. The prefix of a
 * v4-mapped address adds 0xffff, which is zero in ones' complement, so both families are computed
 * alike. */
static __always_inline __u16 pseudo_sum(const struct bp_flow_key* key, __u8 protocol, __u32 length)
{
    const __u32* words = (const __u32*)key;
    __u64 sum = bpf_htonl(length) + (__u64)bpf_htonl(protocol);

    for (int i = 0; i < 8; i++) sum += words[i];
    return fold(sum);
}

/* -- a packet of tc -- */

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

/* -- a packet of XDP -- */

/* XDP can't read ip_summed: a packet of a veth peer or of a virtual machine keeps
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
