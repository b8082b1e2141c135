/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Parse: lib/packet.h for an skb. Whatever is not the common case is parsed in GLOBAL functions:
 * otherwise the verifier would follow each combination of tags, options and extension headers
 * through all code behind the parser, which exceeds the limits of 5.10 and 6.1.
 */
#ifndef BPFPORT_LIB_PARSE_H
#define BPFPORT_LIB_PARSE_H

#include "lib/ctx.h"
#include "lib/l4.h"
#include "lib/packet.h"

/* Bytes of an ICMP error that must be linear: its header, the longest IPv4 header, 20 bytes of
 * TCP. */
#define QUOTE_END (ICMP_ERROR_HEADER + 60 + 20)
#define PULL_BYTES 192 /* made linear when a header is not */

/* Parses the extension header of type `next` at `at`. Returns the type of the next header (bits
 * 0-7), whether the packet is a first fragment (bit 8), enum parsed (bits 9-10), and the offset of
 * the next header (bits 32-63). */
GLOBAL __u64 bp_parse_extension(struct __sk_buff* skb, __u32 at, __u32 next)
{
    struct extension_header* ext = skb_data(skb) + bounded(at, HEADERS_MASK);
    __u64 first = 0;

    if (at > MAX_HEADERS) return PARSED_OTHER << 9;
    if ((void*)(ext + 1) > skb_end(skb)) return PARSED_SHORT << 9;
    if (next == IPPROTO_FRAGMENT) {
        if (ext->fragment_offset & bpf_htons(0xfff8)) return PARSED_OTHER << 9;
        if (ext->fragment_offset & bpf_htons(0x0001)) first = 1 << 8;
        at += 8;
    } else if (next == IPPROTO_AH) {
        at += (ext->length + 2) * 4;
    } else {
        at += (ext->length + 1) * 8;
    }
    return ext->next | first | (__u64)at << 32;
}

static __always_inline enum parsed parse_extensions(struct __sk_buff* skb, struct packet* p)
{
    __u32 at = p->transport;
    __u8 next = p->protocol;

    for (int i = 0; i < MAX_EXTENSIONS; i++) {
        if (!is_extension(next)) break;

        __u64 following = bp_parse_extension(skb, at, next);
        enum parsed parsed = following >> 9 & 3;

        if (parsed != PARSED) return parsed;
        p->fragment |= following >> 8 & 1;
        next = following;
        at = following >> 32;
    }
    if (p->l4_len) {
        __u32 skipped = at - p->transport;

        if (p->l4_len <= skipped) return PARSED_MALFORMED;
        p->l4_len -= skipped;
    }
    p->transport = at;
    p->protocol = next;
    return PARSED;
}

/* Parses from the IP header at `at` to the transport header. Returns packet_pack(). */
GLOBAL __u64 bp_parse_network(struct __sk_buff* skb, __u32 at, __u32 ethertype)
{
    struct packet p = {.network = bounded(at, HEADERS_MASK)};
    void* data = skb_data(skb);
    void* end = skb_end(skb);
    enum parsed parsed = PARSED_OTHER;

    if (at > MAX_HEADERS) return PARSED_OTHER;
    if (ethertype == bpf_htons(ETH_P_IP)) {
        parsed = parse_ipv4(&p, data, end);
    } else if (ethertype == bpf_htons(ETH_P_IPV6)) {
        parsed = parse_ipv6_fixed(&p, data, end);
        if (parsed == PARSED) parsed = parse_extensions(skb, &p);
    }
    return packet_pack(&p, parsed);
}

/* Parses the linear part. With link_header ETH_HEADER_LEN `at` is 0; with link_header 0 the IP
 * header is at `at`. Returns packet_pack(). */
GLOBAL __u64 bp_parse_linear(struct __sk_buff* skb, __u32 at, __u32 link_header)
{
    struct packet p = {.network = at};
    void* data = skb_data(skb);
    void* end = skb_end(skb);
    __be16 ethertype = 0;
    __u64 packed;

    if (link_header) {
        enum parsed parsed = parse_ethernet(&p, &ethertype, data, end);

        if (parsed != PARSED) return packet_pack(&p, parsed);
    } else {
        if (at > MAX_HEADERS) return PARSED_OTHER;
        ethertype = ethertype_of_version(data + bounded(at, HEADERS_MASK), end);
    }
    packed = bp_parse_network(skb, p.network, ethertype);
    return p.tagged ? packed | PACKED_TAGGED : packed;
}

/* The transport header; NULL: fewer than `length` bytes of it are linear. */
static __always_inline __u8* transport(struct __sk_buff* skb, const struct packet* p, __u32 length)
{
    void* end = skb_end(skb);
    __u32 at = p->transport;

    if (at > MAX_HEADERS) return NULL;

    __u8* header = skb_data(skb) + bounded(at, HEADERS_MASK);

    return (void*)(header + length) <= end ? header : NULL;
}

/* Whether the transport header is linear, and in an ICMP error the quoted packet. */
static __always_inline bool is_linear(struct __sk_buff* skb, const struct packet* p)
{
    struct l4 l4;
    __u32 needed = QUOTE_END;

    if (!packet_is_icmp(p)) {
        if (!l4_of(&l4, p->protocol)) return true;
        needed = l4.header;
    }
    return transport(skb, p, needed) != NULL;
}

/* bp_parse_linear(), after headers that are not linear were made so. */
GLOBAL __u64 bp_parse(struct __sk_buff* skb, __u32 at, __u32 link_header)
{
    __u64 packed = bp_parse_linear(skb, at, link_header);
    __u32 linear = skb_end(skb) - skb_data(skb);
    __u32 length = READ(skb, len);
    struct packet p;
    enum parsed parsed = packet_unpack(&p, packed);

    if (parsed != PARSED && parsed != PARSED_SHORT) return packed;
    if (parsed == PARSED && is_linear(skb, &p)) return packed;
    if (length <= linear || linear >= PULL_BYTES) return packed;
    if (bpf_skb_pull_data(skb, length < PULL_BYTES ? length : PULL_BYTES)) return packed;
    return bp_parse_linear(skb, at, link_header);
}

/* The IP packet at an offset: of a device without link-layer header, or quoted in an ICMP error. */
static __always_inline enum parsed parse_ip(struct __sk_buff* skb, struct packet* p, __u32 at)
{
    return packet_unpack(p, bp_parse(skb, at, 0));
}

static __always_inline bool read_ports(struct __sk_buff* skb, const struct packet* p, struct l4* l4,
                                       struct l4_ports* ports)
{
    __u8* header;

    if (!l4_of(l4, p->protocol) || !(header = transport(skb, p, l4->header))) return false;
    *ports = *(struct l4_ports*)header;
    return true;
}

/* Parses a packet and reads its ports. An ICMP packet is PARSED without ports, its quoted packet
 * linear. */
static __always_inline enum parsed find_ports(struct __sk_buff* skb, __u32 link_header,
                                              struct packet* p, struct l4* l4,
                                              struct l4_ports* ports)
{
    enum parsed parsed;

    if (link_header && parse_simple(p, skb_data(skb), skb_end(skb)) &&
        read_ports(skb, p, l4, ports))
        return PARSED;
    parsed = packet_unpack(p, bp_parse(skb, 0, link_header));
    if (parsed != PARSED) return parsed;
    if (packet_is_icmp(p)) return PARSED;
    if (!l4_of(l4, p->protocol)) return PARSED_OTHER;
    return read_ports(skb, p, l4, ports) ? PARSED : PARSED_SHORT;
}

#endif
