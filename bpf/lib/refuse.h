/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Refuse: turns a SYN into the reset that answers it and sends it back the way it came. The peer
 * sees "connection refused" at once, from the address and port it asked for.
 *
 * The packet keeps its length, TCP options and payload included (RFC 1122 4.2.2.12 allows data in a
 * reset), so only fixed header fields change and checksums follow by their difference.
 */
#ifndef BPFPORT_LIB_REFUSE_H
#define BPFPORT_LIB_REFUSE_H

#include "lib/l4.h"

#define RESET_HOPS 64

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

static __always_inline bool reverse_network(struct __sk_buff* skb, const struct packet* p)
{
    __u32 at = p->network;
    __u8 hops = RESET_HOPS;

    if (p->version == 6)
        return swap_bytes(skb, at + offsetof(struct ipv6hdr, saddr),
                          at + offsetof(struct ipv6hdr, daddr), 16) &&
               !bpf_skb_store_bytes(skb, at + offsetof(struct ipv6hdr, hop_limit), &hops, 1, 0);

    __u8 old[2]; /* ttl and protocol: one word of the header checksum */

    if (bpf_skb_load_bytes(skb, at + offsetof(struct iphdr, ttl), old, sizeof(old))) return false;

    __u8 new[2] = {hops, old[1]};

    return swap_bytes(skb, at + offsetof(struct iphdr, saddr), at + offsetof(struct iphdr, daddr),
                      4) &&
           !bpf_l3_csum_replace(skb, at + offsetof(struct iphdr, check), *(__u16*)old,
                                *(__u16*)new, 2) &&
           !bpf_skb_store_bytes(skb, at + offsetof(struct iphdr, ttl), new, sizeof(new), 0);
}

static __always_inline bool reverse_transport(struct __sk_buff* skb, const struct packet* p)
{
    struct tcp_fixed old, new;
    __s64 difference;
    __u32 payload;

    if (bpf_skb_load_bytes(skb, p->transport, &old, sizeof(old))) return false;
    payload = p->claimed - (old.offset >> 4) * 4;
    new = old;
    new.source = old.destination;
    new.destination = old.source;
    new.sequence = 0;
    new.acknowledgment = bpf_htonl(bpf_ntohl(old.sequence) + 1 + payload);
    new.flags = TCP_RST | TCP_ACK;
    new.window = 0;
    new.urgent = 0;
    difference = bpf_csum_diff((__be32*)&old, sizeof(old), (__be32*)&new, sizeof(new), 0);
    return difference >= 0 &&
           !bpf_skb_store_bytes(skb, p->transport, &new, sizeof(new), 0) &&
           !bpf_l4_csum_replace(skb, p->transport + offsetof(struct tcp_fixed, checksum), 0,
                                difference, 0);
}

/* Returns the program's verdict. When the packet can't be changed it is dropped: the peer retries. */
__noinline int bp_refuse(struct __sk_buff* skb, __u64 packed_packet)
{
    struct packet packet, *p = &packet;

    if (packet_unpack(p, packed_packet) != PARSED) return TC_DROP;
    if (p->network >= ETH_HEADER_LEN &&
        !swap_bytes(skb, offsetof(struct mac_pair, destination),
                    offsetof(struct mac_pair, source), ETH_ALEN))
        return TC_DROP;
    if (!reverse_network(skb, p) || !reverse_transport(skb, p)) return TC_DROP;
    return bpf_redirect(skb->ifindex, 0);
}

#endif
