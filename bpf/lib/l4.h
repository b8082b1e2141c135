/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Transport header: where the ports, the checksum and the flags of TCP and UDP are. The only file
 * that distinguishes TCP from UDP: both begin with the source and destination port, and struct l4
 * has the differences in numbers.
 */
#ifndef BPFPORT_LIB_L4_H
#define BPFPORT_LIB_L4_H

#include "bpfport/flow.h"
#include "bpfport/table.h"
#include "lib/packet.h"

#define SOURCE_PORT 0 /* offsets in the transport header */
#define DESTINATION_PORT 2

struct l4 {
    __u8 proto;        /* enum bp_proto */
    __u8 header;       /* bytes of the fixed header */
    __u8 checksum;     /* offset of the checksum */
    bool zero_is_none; /* a checksum of zero means none; a computed zero is written as 0xffff */
};

/* False: the protocol has no ports. */
static __always_inline bool l4_of(struct l4* l4, __u8 protocol)
{
    if (protocol == IPPROTO_TCP) {
        *l4 = (struct l4){.proto = BP_TCP, .header = 20, .checksum = 16};
        return true;
    }
    if (protocol == IPPROTO_UDP) {
        *l4 = (struct l4){.proto = BP_UDP, .header = 8, .checksum = 6, .zero_is_none = true};
        return true;
    }
    return false;
}

struct l4_ports {
    __be16 source;
    __be16 destination;
};

#define TCP_SEQUENCE 4 /* offsets in the TCP header; the acknowledgement number follows */
#define TCP_FLAGS 13
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* Whether the packet may begin a connection or flow: a SYN, any datagram. `header` points to
 * l4->header bytes. */
static __always_inline bool l4_opens(const struct l4* l4, const __u8* header)
{
    if (l4->proto == BP_UDP) return true;
    return (header[TCP_FLAGS] & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

/* Length of the transport header with its options; 0: it is inconsistent, or contradicts the IP
 * header. */
static __always_inline __u32 l4_header_length(const struct l4* l4, const struct packet* p,
                                              const __u8* header)
{
    if (p->l4_len && p->l4_len < l4->header) return 0;
    if (l4->proto == BP_TCP) {
        __u32 length = (header[12] >> 4) * 4;

        if (length < l4->header || (p->l4_len && !p->fragment && length > p->l4_len)) return 0;
        return length;
    }

    __u32 datagram = bpf_ntohs(*(const __be16*)(header + 4));

    if (datagram && datagram < l4->header) return 0;
    if (datagram && p->l4_len && !p->fragment && datagram > p->l4_len) return 0;
    return l4->header;
}

#endif
