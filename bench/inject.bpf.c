// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A packet source: run by BPF_PROG_TEST_RUN with live frames, it sends the frame out of a veth's end,
 * so that it arrives at the other one as from a wire. Port and checksum are written each time, since
 * the kernel uses a page again with what the receiver made of it.
 */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

const volatile __u32 out_ifindex = 0;
const volatile __be16 port = 0;
const volatile __be16 checksum = 0;

#define PORT_AT (14 + 20 + 2) /* Ethernet, IPv4 */
#define CHECKSUM_AT (14 + 20 + 6)

SEC("xdp") int bp_inject(struct xdp_md* xdp)
{
    __u8* data = (void*)(long)xdp->data;

    if (data + 14 + 20 + 8 > (__u8*)(long)xdp->data_end) return XDP_ABORTED;
    *(__be16*)(data + PORT_AT) = port;
    *(__be16*)(data + CHECKSUM_AT) = checksum;
    return bpf_redirect(out_ifindex, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
