/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Parse: lib/packet.h applied to an skb. What is not the common case is done in functions that the
 * verifier checks once and by themselves: every combination of tags, options and extension headers
 * would otherwise be walked with all that follows, which verifiers of 5.10 and 6.1 give up on.
 */
#ifndef BPFPORT_LIB_PARSE_H
#define BPFPORT_LIB_PARSE_H

#include "lib/l4.h"
#include "lib/packet.h"

/* Bytes of an ICMP error that a quote needs: its header, the longest usual IP header, 20 of TCP. */
#define QUOTE_END (ICMP_ERROR_HEADER + 60 + 20)
#define PULL_BYTES 192 /* linear bytes asked for when headers lie beyond them */

/* One extension header of type `next` at `at`: the type of what follows it (bits 0-7), whether it
 * says that the packet is a first fragment (bit 8), enum parsed (bits 9-10), the offset of what
 * follows it (from bit 32). */
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
    if (p->claimed) {
        __u32 skipped = at - p->transport;

        if (p->claimed <= skipped) return PARSED_MALFORMED;
        p->claimed -= skipped;
    }
    p->transport = at;
    p->protocol = next;
    return PARSED;
}

/* The IP header at `at` and what follows it, to the transport header. Returns packet_pack(). */
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

/* Parses what is linear now. link_header: ETH_HEADER_LEN, with `at` 0; or 0, and the IP header is at
 * `at`. Returns packet_pack(). */
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

/* The transport header, `length` bytes of it linear. NULL: not there. */
static __always_inline __u8* transport(struct __sk_buff* skb, const struct packet* p, __u32 length)
{
    void* end = skb_end(skb);
    __u32 at = p->transport;

    if (at > MAX_HEADERS) return NULL;

    __u8* header = skb_data(skb) + bounded(at, HEADERS_MASK);

    return (void*)(header + length) <= end ? header : NULL;
}

/* Whether the transport header is linear, and of an ICMP error what it quotes. */
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

/* The same, with what lies beyond the linear bytes made linear. */
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

/* The IP packet at an offset: of a device without Ethernet header, or quoted in an ICMP error. */
static __always_inline enum parsed parse_ip(struct __sk_buff* skb, struct packet* p, __u32 at)
{
    return packet_unpack(p, bp_parse(skb, at, 0));
}

static __always_inline bool read_ports(struct __sk_buff* skb, const struct packet* p, struct l4* l4,
                                       struct ports* ports)
{
    __u8* header;

    if (!l4_of(l4, p->protocol) || !(header = transport(skb, p, l4->header))) return false;
    *ports = *(struct ports*)header;
    return true;
}

/* Ports of a TCP or UDP packet; of ICMP only where it is, with what it quotes made linear. */
static __always_inline enum parsed find_ports(struct __sk_buff* skb, __u32 link_header,
                                              struct packet* p, struct l4* l4, struct ports* ports)
{
    enum parsed parsed;

    if (link_header && parse_straight(p, skb_data(skb), skb_end(skb)) &&
        read_ports(skb, p, l4, ports))
        return PARSED;
    parsed = packet_unpack(p, bp_parse(skb, 0, link_header));
    if (parsed != PARSED) return parsed;
    if (packet_is_icmp(p)) return PARSED;
    if (!l4_of(l4, p->protocol)) return PARSED_OTHER;
    return read_ports(skb, p, l4, ports) ? PARSED : PARSED_SHORT;
}

#endif
