/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Rewrite: changes one port of an skb and keeps every checksum as valid as it was.
 *
 * Two ways, chosen when the object is built:
 *  direct  writes into the packet. Right only when we know whether the checksum is still partial
 *          (its field then holds the pseudo-header's sum, which has no ports in it), and that takes
 *          bpf_cast_to_kern_ctx, a kfunc of Linux 6.2, and the kernel's BTF.
 *  helper  bpf_l4_csum_replace and bpf_skb_store_bytes, which know by themselves; any kernel.
 * Under CHECKSUM_COMPLETE both stay right: the changes of port and checksum cancel in skb->csum.
 */
#ifndef BPFPORT_LIB_REWRITE_H
#define BPFPORT_LIB_REWRITE_H

#include "lib/device.h"
#include "lib/port.h"

/* A datagram of this host that is still to be cut into several (UDP_SEGMENT): its field holds the
 * pseudo-header's sum, whether or not the checksum is left to the device. Without checksum offload
 * the kernel does not call it partial, and completes it as it cuts (net/ipv4/udp_offload.c). */
static __always_inline bool to_be_segmented(const struct __sk_buff* skb, const struct l4* l4)
{
    return l4->proto == BP_UDP && READ(skb, gso_size) && !READ(skb, ingress_ifindex);
}

#if DIRECT_WRITE
#define CHECKSUM_STATE_PARTIAL 3 /* CHECKSUM_PARTIAL */

static __always_inline bool rewrite_port(struct __sk_buff* skb, const struct l4* l4,
                                         const struct port_change* change)
{
    struct sk_buff* kernel_skb = bpf_cast_to_kern_ctx(skb);
    void* end = skb_end(skb);
    __u32 at = change->transport;

    if (at > MAX_HEADERS) return false;

    __u8* header = skb_data(skb) + bounded(at, HEADERS_MASK);

    if (header + l4->header > (__u8*)end) return false;
    *(__be16*)(header + change->port) = change->to;
    if (BPF_CORE_READ_BITFIELD(kernel_skb, ip_summed) == CHECKSUM_STATE_PARTIAL) return true;
    if (change->port == SOURCE_PORT && to_be_segmented(skb, l4)) return true;
    update_checksum(header, l4, change);
    return true;
}
#else
static __always_inline bool rewrite_port(struct __sk_buff* skb, const struct l4* l4,
                                         const struct port_change* change)
{
    __u32 checksum = change->transport + l4->checksum;
    __u64 flags = sizeof(__be16) | (l4->zero_is_none ? BPF_F_MARK_MANGLED_0 : 0);

    if (change->port == SOURCE_PORT && to_be_segmented(skb, l4))
        return !bpf_skb_store_bytes(skb, change->transport + change->port, &change->to,
                                    sizeof(__be16), 0);
    if (bpf_l4_csum_replace(skb, checksum, change->from, change->to, flags)) return false;
    if (!bpf_skb_store_bytes(skb, change->transport + change->port, &change->to, sizeof(__be16), 0))
        return true;
    bpf_l4_csum_replace(skb, checksum, change->to, change->from, flags);
    return false;
}
#endif

#endif
