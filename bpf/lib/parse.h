/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Parse: lib/packet.h applied to an skb. What is not the common case is done in a function that the
 * verifier checks once and by itself: every combination of tags, options and extension headers would
 * otherwise be walked with all that follows, which verifiers of 5.10 and 6.1 give up on.
 */
#ifndef BPFPORT_LIB_PARSE_H
#define BPFPORT_LIB_PARSE_H

#include "lib/l4.h"
#include "lib/packet.h"

/* Bytes of an ICMP error that a quote needs: its header, the longest usual IP header, 20 of TCP. */
#define QUOTE_END (ICMP_ERROR_HEADER + 60 + 20)
#define PULL_BYTES 192 /* linear bytes asked for when headers lie beyond them */

/* Parses what is linear now. link_header: ETH_HEADER_LEN, with `at` 0; or 0, and the IP header is at
 * `at`. Returns packet_pack(). */
GLOBAL __u64 bp_parse_linear(struct __sk_buff* skb, __u32 at, __u32 link_header)
{
    void* data = skb_data(skb);
    void* end = skb_end(skb);
    struct packet p = {};
    enum parsed parsed;

    if (at > MAX_HEADERS) return PARSED_OTHER;
    at = bounded(at, HEADERS_MASK);
    if (link_header) {
        parsed = parse_packet(&p, ETH_HEADER_LEN, data, end);
    } else {
        p.network = at;
        parsed = parse_network(&p, ethertype_of_version(data + at, end), data, end);
    }
    return packet_pack(&p, parsed);
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

static __always_inline bool read_ports(struct __sk_buff* skb, const struct packet* p,
                                       struct l4* l4, struct ports* ports)
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
