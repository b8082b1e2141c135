// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A packet source: run by BPF_PROG_TEST_RUN with live frames, it sends the frame out of a veth's end,
 * so that it arrives at the other one as from a wire. Everything that differs between frames, and the
 * listen port, is written each time, since the kernel uses a page again with what the receiver made of it.
 */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 out_ifindex = 0;
const volatile __be16 port = 0;     /* destination */
const volatile __u16 first = 0;     /* source ports from this one on, */
const volatile __u32 ports = 1;     /* so many, */
const volatile __u32 address = 0;   /* of the addresses from this one on, in host byte order, */
const volatile __u32 addresses = 1; /* so many */
/* Sums of the headers without source address, source port and checksum. */
const volatile __u32 ip_sum = 0, l4_sum = 0;
const volatile __u32 l4_check_at = 0; /* UDP 6, TCP 16 behind the IP header */

__u64 sent = 0;

#define IP_AT 14
#define L4_AT (IP_AT + 20)

static __always_inline __be16 folded(__u32 sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return bpf_htons(~sum);
}

SEC("xdp") int bp_inject(struct xdp_md* xdp)
{
    __u8* data = (void*)(long)xdp->data;
    __u64 number = sent++;
    __u16 source_port = first + number % ports;
    __u32 source = address + number / ports % addresses;
    __u32 source_sum = (source >> 16) + (source & 0xffff);

    if (data + L4_AT + 20 > (__u8*)(long)xdp->data_end) return XDP_ABORTED;
    *(__be16*)(data + IP_AT + 10) = folded(ip_sum + source_sum);
    *(__be32*)(data + IP_AT + 12) = bpf_htonl(source);
    *(__be16*)(data + L4_AT) = bpf_htons(source_port);
    *(__be16*)(data + L4_AT + 2) = port;
    *(__be16*)(data + L4_AT + (l4_check_at == 16 ? 16 : 6)) =
        folded(l4_sum + source_sum + source_port);
    return bpf_redirect(out_ifindex, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
