// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Makes each frame of a test run another stranger's: source address and port from a counter, the
 * checksums kept true. Run with live frames, so the frames go up the stack as if a driver had
 * received them: one program is a sender of millions of packets a second.
 */
#include "lib/packet.h"

#define SOURCE_PORTS_FROM 1024

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile bool ipv6;
const volatile bool udp;
const volatile __u16 port; /* of the destination */
const volatile bool
    acknowledges; /* each stranger sends its SYN, then an ACK of nothing it was sent */

__u64 packets; /* made so far */

static __always_inline __u16 checksum_change(__u16 sum, __u32 from, __u32 to)
{
    __u32 s = (__u16)~sum;

    from = ~from;
    s += (from & 0xffff) + (from >> 16) + (to & 0xffff) + (to >> 16);
    s = (s & 0xffff) + (s >> 16);
    s = (s & 0xffff) + (s >> 16);
    return ~s;
}

/* Puts a value into the frame; the sums that cover it change with it. */
static __always_inline void put(__u32* field, __u32 value, __u16* sum, __u16* outer)
{
    *sum = checksum_change(*sum, *field, value);
    if (outer) *outer = checksum_change(*outer, *field, value);
    *field = value;
}

SEC("xdp") int bp_flood(struct xdp_md* xdp)
{
    __u8* data = (__u8*)(long)xdp->data;
    __u8* end = (__u8*)(long)xdp->data_end;
    __u32 headers = ETH_HEADER_LEN + (ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
    __u8* address = data + (ipv6 ? 34 : 26); /* the last 4 bytes of the source */
    __u8* l4 = data + headers;
    __u64 n = packets++;
    __u32 stranger = acknowledges ? n / 2 : n;
    __u16* sum;

    if (l4 + 20 > end) return XDP_DROP;
    sum = (__u16*)(l4 + (udp ? 6 : 16));
    /* An odd factor reaches each of the 2^24 addresses once. */
    put((__u32*)address, bpf_htonl(0x0b000000 | ((stranger * 0x9e3779b1) & 0xffffff)), sum,
        ipv6 ? NULL : (__u16*)(data + 24));
    /* Both ports: the kernel takes frames again as the tc programs left them. */
    put((__u32*)l4, bpf_htonl((SOURCE_PORTS_FROM + stranger % 60000) << 16 | port), sum, NULL);
    if (acknowledges) {
        __u32* flags = (__u32*)(l4 + 12); /* data offset, flags, window */
        __u32 flag = n & 1 ? 0x00100000 : 0x00020000;

        put(flags, (*flags & bpf_htonl(0xff00ffff)) | bpf_htonl(flag), sum, NULL);
    }
    return XDP_PASS;
}
