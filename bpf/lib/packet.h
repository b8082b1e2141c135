/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Packet: finds the ports of a packet, whatever lies before them. With lib/parse.h the only file that
 * knows IPv4 from IPv6: once parsed, a port has an offset, and addresses are 16 bytes (lib/address.h).
 *
 * Works on any linear run of bytes [data, end), so for tc and XDP alike. Ethernet with up to two
 * VLAN tags in the frame, or no link-layer header; IPv4 options. IPv6 extension headers: lib/parse.h.
 */
#ifndef BPFPORT_LIB_PACKET_H
#define BPFPORT_LIB_PACKET_H

#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "lib/address.h"

/* An offset past this is no packet we translate; the bound also serves the verifier. */
#define MAX_HEADERS 512
#define HEADERS_MASK 0x3ff /* for bounded(): every offset up to MAX_HEADERS */
#define MAX_EXTENSIONS 6

enum parsed {
    PARSED,
    PARSED_OTHER,     /* nothing for us: not IP, not a protocol with ports, a later fragment */
    PARSED_SHORT,     /* the bytes end before the headers do */
    PARSED_MALFORMED, /* the headers contradict themselves */
};

struct packet {
    __u32 network;   /* offset of the IP header */
    __u32 transport; /* offset of the TCP, UDP or ICMP header */
    __u32 claimed;   /* transport bytes that the IP header claims; 0: it does not say (BIG TCP) */
    __u8 version;    /* 4 or 6: for this file only */
    __u8 protocol;   /* IPPROTO_* */
    bool tagged;     /* a VLAN id in the frame */
    bool fragment;   /* the first of several: has the ports, not all of the data */
};

struct vlan_header {
    __be16 tci;
    __be16 inner_protocol;
};

struct extension_header {
    __u8 next;
    __u8
        length; /* in units of 8 bytes, the first not counted; AH: of 4, the first two not counted */
    __be16 fragment_offset; /* fragment header only */
};

static __always_inline enum parsed parse_ipv4(struct packet* p, void* data, void* end)
{
    struct iphdr* ip = data + p->network;

    if ((void*)(ip + 1) > end) return PARSED_SHORT;
    if (ip->version != 4 || ip->ihl < 5) return PARSED_MALFORMED;
    /* A later fragment has neither ports nor checksum: it passes and is right as it is. */
    if (ip->frag_off & bpf_htons(0x1fff)) return PARSED_OTHER;
    p->fragment = ip->frag_off & bpf_htons(0x2000);
    p->version = 4;
    p->protocol = ip->protocol;
    p->transport = p->network + ip->ihl * 4;
    p->claimed = 0;
    if (ip->tot_len) {
        __u32 total = bpf_ntohs(ip->tot_len);

        if (total <= ip->ihl * 4u) return PARSED_MALFORMED;
        p->claimed = total - ip->ihl * 4;
    }
    return PARSED;
}

static __always_inline bool is_extension(__u8 next)
{
    return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
           next == IPPROTO_FRAGMENT || next == IPPROTO_AH;
}

static __always_inline enum parsed parse_ipv6_fixed(struct packet* p, void* data, void* end)
{
    struct ipv6hdr* ip = data + p->network;

    if ((void*)(ip + 1) > end) return PARSED_SHORT;
    if (ip->version != 6) return PARSED_MALFORMED;
    p->version = 6;
    p->fragment = false;
    p->protocol = ip->nexthdr;
    p->transport = p->network + sizeof(*ip);
    p->claimed = bpf_ntohs(ip->payload_len);
    return PARSED;
}

static __always_inline bool is_vlan(__be16 ethertype)
{
    return ethertype == bpf_htons(ETH_P_8021Q) || ethertype == bpf_htons(ETH_P_8021AD);
}

static __always_inline __be16 ethertype_of_version(void* ip, void* end)
{
    __u8* first = ip;

    if ((void*)(first + 1) > end) return 0;
    return *first >> 4 == 4 ? bpf_htons(ETH_P_IP) : *first >> 4 == 6 ? bpf_htons(ETH_P_IPV6) : 0;
}

/* The IP header's offset and type, past up to two VLAN tags of an Ethernet frame. */
static __always_inline enum parsed parse_ethernet(struct packet* p, __be16* ethertype, void* data,
                                                  void* end)
{
    struct ethhdr* eth = data;

    p->network = ETH_HEADER_LEN;
    if ((void*)(eth + 1) > end) return PARSED_SHORT;
    *ethertype = eth->h_proto;
    for (int tags = 0; tags < 2; tags++) {
        if (!is_vlan(*ethertype)) break;

        struct vlan_header* vlan = data + p->network;

        if ((void*)(vlan + 1) > end) return PARSED_SHORT;
        p->tagged |= (vlan->tci & bpf_htons(0x0fff)) != 0; /* id 0 is a priority, not a VLAN */
        *ethertype = vlan->inner_protocol;
        p->network += sizeof(*vlan);
    }
    return PARSED;
}

/* The common case, without a loop: Ethernet, no VLAN tag, no IPv4 options or fragment, no IPv6
 * extension. False: parse_packet() must tell. */
static __always_inline bool parse_straight(struct packet* p, void* data, void* end)
{
    struct ethhdr* eth = data;
    struct iphdr* ip = data + ETH_HEADER_LEN;

    if ((void*)(ip + 1) > end) return false;
    p->network = ETH_HEADER_LEN;
    if (eth->h_proto == bpf_htons(ETH_P_IP)) {
        if (*(__u8*)ip != 0x45 || (ip->frag_off & bpf_htons(0x3fff))) return false;
        return parse_ipv4(p, data, end) == PARSED;
    }
    if (eth->h_proto != bpf_htons(ETH_P_IPV6)) return false;
    return parse_ipv6_fixed(p, data, end) == PARSED && !is_extension(p->protocol);
}

#define PACKED_TAGGED (1 << 2)

/* A packet in one number: what a GLOBAL function can return. */
static __always_inline __u64 packet_pack(const struct packet* p, enum parsed parsed)
{
    if (p->network > MAX_HEADERS || p->transport > MAX_HEADERS) return PARSED_OTHER;
    return parsed | (p->tagged ? PACKED_TAGGED : 0) | (__u64)p->fragment << 3 |
           (__u64)p->version << 4 | (__u64)p->protocol << 8 | (__u64)p->claimed << 16 |
           (__u64)p->network << 32 | (__u64)p->transport << 48;
}

static __always_inline enum parsed packet_unpack(struct packet* p, __u64 packed)
{
    p->tagged = packed & PACKED_TAGGED;
    p->fragment = packed >> 3 & 1;
    p->version = packed >> 4 & 0xf;
    p->protocol = packed >> 8 & 0xff;
    p->claimed = packed >> 16 & 0xffff;
    p->network = bounded(packed >> 32, HEADERS_MASK);
    p->transport = bounded(packed >> 48, HEADERS_MASK);
    return packed & 3;
}

/* The addresses of a packet whose parse has succeeded, IPv4 as v4-mapped. False: no longer there. */
static __always_inline bool packet_addresses(const struct packet* p, void* data, void* end,
                                             __u8* source, __u8* destination)
{
    if (p->version == 4) {
        struct iphdr* ip = data + p->network;

        if ((void*)(ip + 1) > end) return false;
        map_v4(source, ip->saddr);
        map_v4(destination, ip->daddr);
        return true;
    }

    struct ipv6hdr* ip = data + p->network;

    if ((void*)(ip + 1) > end) return false;
    copy_address(source, &ip->saddr);
    copy_address(destination, &ip->daddr);
    return true;
}

/* RFC 792; <linux/icmp.h> draws in libc's headers. */
#define ICMP_DEST_UNREACH 3
#define ICMP_REDIRECT 5
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12

/* An ICMP error quotes the packet it is about after 8 bytes of its own header. */
#define ICMP_ERROR_HEADER 8

static __always_inline bool packet_is_icmp(const struct packet* p)
{
    return p->version == 4 ? p->protocol == IPPROTO_ICMP : p->protocol == IPPROTO_ICMPV6;
}

static __always_inline bool is_icmp_error(const struct packet* p, __u8 type)
{
    if (p->version == 4)
        return type == ICMP_DEST_UNREACH || type == ICMP_REDIRECT || type == ICMP_TIME_EXCEEDED ||
               type == ICMP_PARAMETERPROB;
    return type >= ICMPV6_DEST_UNREACH && type <= ICMPV6_PARAMPROB;
}

#endif
