/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * TCP reset: turns a SYN into a reset: the answer to the SYN itself, or the one that ends another
 * handshake.
 *
 * The answer goes back through the interface that the SYN came by. The peer gets "connection
 * refused" at once, from the address and port it sent to. The packet keeps its length, TCP options
 * and payload (RFC 1122 4.2.2.12 allows data in a reset), so that only fixed header fields change.
 */
#ifndef BPFPORT_LIB_TCP_RESET_H
#define BPFPORT_LIB_TCP_RESET_H

#include "lib/parse.h"
#include "lib/rewrite.h"

#define RESET_HOPS 64

static __always_inline bool reverse_network(struct __sk_buff* skb, const struct packet* p)
{
    __u32 at = p->network;
    __u8 hops = RESET_HOPS;

    if (!reverse_addresses(skb, at, p->version)) return false;
    if (p->version == 6)
        return !bpf_skb_store_bytes(skb, at + offsetof(struct ipv6hdr, hop_limit), &hops, 1, 0);

    __u8 old[2]; /* ttl and protocol: a 16-bit word of the header checksum */

    if (bpf_skb_load_bytes(skb, at + offsetof(struct iphdr, ttl), old, sizeof(old))) return false;

    __u8 new[2] = {hops, old[1]};

    return !bpf_l3_csum_replace(skb, at + offsetof(struct iphdr, check), *(__u16*)old, *(__u16*)new,
                                2) &&
           !bpf_skb_store_bytes(skb, at + offsetof(struct iphdr, ttl), new, sizeof(new), 0);
}

static __always_inline bool reverse_transport(struct __sk_buff* skb, const struct packet* p)
{
    struct tcp_fixed old, new;
    __u32 payload;

    if (bpf_skb_load_bytes(skb, p->transport, &old, sizeof(old))) return false;
    payload = p->l4_len - (old.offset >> 4) * 4;
    new = old;
    new.source = old.destination;
    new.destination = old.source;
    new.sequence = 0;
    new.acknowledgment = bpf_htonl(bpf_ntohl(old.sequence) + 1 + payload);
    new.flags = TCP_RST | TCP_ACK;
    new.window = 0;
    new.urgent = 0;
    return replace_tcp(skb, p->transport, &old, &new);
}

/* Returns the program's verdict. A packet that can't be changed is dropped: the peer repeats its
 * SYN. */
GLOBAL int bp_send_reset(struct __sk_buff* skb, __u64 packed_packet)
{
    struct packet packet, *p = &packet;

    if (packet_unpack(p, packed_packet) != PARSED) return TC_DROP;
    if (p->network >= ETH_HEADER_LEN && !reverse_link(skb)) return TC_DROP;
    if (!reverse_network(skb, p) || !reverse_transport(skb, p)) return TC_DROP;
    return bpf_redirect(READ(skb, ifindex), 0);
}

/* Turns the SYN into the reset that ends the unfinished handshake with the same tuple; the kernel
 * receives it. TCP options become data, since a timestamp might make the reset look old. */
GLOBAL int bp_end_handshake(struct __sk_buff* skb, __u64 packed_packet)
{
    struct pkt_info* pkt = pkt_info();
    struct packet packet, *p = &packet;
    struct tcp_fixed old, new;

    if (!pkt || packet_unpack(p, packed_packet) != PARSED) return TC_DROP;
    if (bpf_skb_load_bytes(skb, p->transport, &old, sizeof(old))) return TC_DROP;
    new = old;
    new.destination = pkt->target_port;
    new.sequence = bpf_htonl(pkt->expected);
    new.acknowledgment = 0;
    new.offset = sizeof(new) / 4 << 4;
    new.flags = TCP_RST;
    return replace_tcp(skb, p->transport, &old, &new) ? TC_NEXT : TC_DROP;
}

#endif
