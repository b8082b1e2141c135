/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Packet: the offsets of the headers of a packet, and its addresses; at the end, what is known of the
 * packet that a program decides about. With lib/parse.h the only file that distinguishes IPv4 from
 * IPv6: its callers use offsets and addresses of 16 bytes (lib/address.h).
 *
 * The functions take the linear bytes [data, end) of tc and XDP programs alike. They handle
 * Ethernet with up to two VLAN tags in the frame, devices without a link-layer header, and IPv4
 * options. IPv6 extension headers: lib/parse.h.
 */
#ifndef BPFPORT_LIB_PACKET_H
#define BPFPORT_LIB_PACKET_H

#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "bpfport/flow.h"
#include "lib/address.h"

/* A transport header farther from the start is not translated. The verifier needs the bound,
 * too. */
#define MAX_HEADERS 512
#define HEADERS_MASK 0x3ff /* for bounded(): keeps every offset up to MAX_HEADERS */
#define MAX_EXTENSIONS 6

enum parsed {
    PARSED,
    PARSED_OTHER,     /* not IP, no protocol with ports, or not the first fragment */
    PARSED_SHORT,     /* the linear part ends before the headers do */
    PARSED_MALFORMED, /* the headers are inconsistent */
};

struct packet {
    __u32 network;   /* offset of the IP header */
    __u32 transport; /* offset of the TCP, UDP or ICMP header */
    __u32 l4_len;    /* length of the transport packet by the IP header; 0: not given (BIG TCP) */
    __u8 version;    /* 4 or 6 */
    __u8 protocol;   /* IPPROTO_* */
    bool tagged;     /* the frame has a VLAN tag with an id */
    bool fragment;   /* the first fragment: it has the ports, and a part of the data */
};

struct vlan_header {
    __be16 tci;
    __be16 inner_protocol;
};

struct extension_header {
    __u8 next;
    __u8 length;            /* in units of 8 bytes, less one; AH: in units of 4 bytes, less two */
    __be16 fragment_offset; /* fragment header only */
};

static __always_inline enum parsed parse_ipv4(struct packet* p, void* data, void* end)
{
    struct iphdr* ip = data + p->network;

    if ((void*)(ip + 1) > end) return PARSED_SHORT;
    if (ip->version != 4 || ip->ihl < 5) return PARSED_MALFORMED;
    /* A later fragment has no ports and no checksum: nothing in it must change. */
    if (ip->frag_off & bpf_htons(0x1fff)) return PARSED_OTHER;
    p->fragment = ip->frag_off & bpf_htons(0x2000);
    p->version = 4;
    p->protocol = ip->protocol;
    p->transport = p->network + ip->ihl * 4;
    p->l4_len = 0;
    if (ip->tot_len) {
        __u32 total = bpf_ntohs(ip->tot_len);

        if (total <= ip->ihl * 4u) return PARSED_MALFORMED;
        p->l4_len = total - ip->ihl * 4;
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
    p->l4_len = bpf_ntohs(ip->payload_len);
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

/* The offset and type of the IP header, behind up to two VLAN tags. */
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
        p->tagged |= (vlan->tci & bpf_htons(0x0fff)) != 0; /* id 0: a priority only */
        *ethertype = vlan->inner_protocol;
        p->network += sizeof(*vlan);
    }
    return PARSED;
}

/* The common case, without a loop: Ethernet, no VLAN tag, no IPv4 options or fragment, no IPv6
 * extension header. False: another packet, see lib/parse.h. */
static __always_inline bool parse_simple(struct packet* p, void* data, void* end)
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

/* A struct packet as a number, for the arguments and results of GLOBAL functions. */
static __always_inline __u64 packet_pack(const struct packet* p, enum parsed parsed)
{
    if (p->network > MAX_HEADERS || p->transport > MAX_HEADERS) return PARSED_OTHER;
    return parsed | (p->tagged ? PACKED_TAGGED : 0) | (__u64)p->fragment << 3 |
           (__u64)p->version << 4 | (__u64)p->protocol << 8 | (__u64)p->l4_len << 16 |
           (__u64)p->network << 32 | (__u64)p->transport << 48;
}

static __always_inline enum parsed packet_unpack(struct packet* p, __u64 packed)
{
    p->tagged = packed & PACKED_TAGGED;
    p->fragment = packed >> 3 & 1;
    p->version = packed >> 4 & 0xf;
    p->protocol = packed >> 8 & 0xff;
    p->l4_len = packed >> 16 & 0xffff;
    p->network = bounded(packed >> 32, HEADERS_MASK);
    p->transport = bounded(packed >> 48, HEADERS_MASK);
    return packed & 3;
}

/* The addresses of a packet that is PARSED. False: the header is not linear. */
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

/* RFC 792; <linux/icmp.h> includes headers of libc. */
#define ICMP_DEST_UNREACH 3
#define ICMP_REDIRECT 5
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12

/* The packet that an ICMP error quotes begins behind its header of 8 bytes. */
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

/*
 * -- packet info, for the GLOBAL functions that decide about a packet --
 *
 * It is in a per-CPU map and not on the stack: a GLOBAL function takes the context and numbers, and
 * no pointers before Linux 5.13. Without GLOBAL functions the verifier would follow that code once
 * for every state that leads there, which exceeds the limits of 5.10 and takes seconds on every
 * kernel. Programs of one hook don't nest on a CPU: tc and XDP run with bottom halves disabled.
 */

/* The caller sets all fields but those that say out. Ports and addresses in network byte order. */
struct pkt_info {
    struct bp_flow_key key; /* target_port: by the rule; of a direct packet its destination port */
    __be16 orig_port;   /* destination port of the packet; 0: it goes straight to a target port */
    __be16 target_port; /* out: where the packet goes */
    __u32 ifindex;      /* interface that it arrived on */
    __u32 expected;     /* out, for END_HANDSHAKE: sequence number that the handshake waits for */
    __u32 entry;        /* of the destination port in the rule table: BP_PORT_* */
    __u16 rule;         /* id */
    __u16 transport;    /* offset of the transport header */
    __u8 proto;         /* enum bp_proto */
    bool opens;         /* a SYN, or a datagram */
    bool after_xdp;     /* a datagram to a target port that the XDP program has checked */
    bool known_only;    /* recorded connections continue; another engine takes new ones */
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct pkt_info);
} bp_pkt_info SEC(".maps");

/* This CPU's; never NULL, but the verifier requires the test. */
static __always_inline struct pkt_info* pkt_info(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&bp_pkt_info, &zero);
}

static __always_inline struct pkt_info* pkt_info_store(const struct pkt_info* value)
{
    struct pkt_info* pkt = pkt_info();

    if (pkt) *pkt = *value;
    return pkt;
}

#endif
