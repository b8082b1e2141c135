/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Device: whether other stacks receive behind the packet's device under its own link-layer address:
 * a container with ipvlan, or with macvlan or macvtap in mode passthru. Its device has an rx_handler,
 * which runs after us, so what arrives for this host's link-layer address may be for the container.
 * Only the object with direct writes can know; the other one takes no device for shared.
 */
#ifndef BPFPORT_LIB_DEVICE_H
#define BPFPORT_LIB_DEVICE_H

#include "lib/kernel.h"

#if DIRECT_WRITE
/* include/linux/netdevice.h and skbuff.h; only what we read, found by CO-RE wherever it is. */
enum netdev_priv_flags {
    IFF_BONDING = 1,
    IFF_BRIDGE_PORT = 2,
    IFF_MACVLAN_PORT = 4,
    IFF_TEAM_PORT = 8,
};

struct net_device {
    __u64 priv_flags : 32;
    __u32 promiscuity;
    void* rx_handler;
} __attribute__((preserve_access_index));

struct sk_buff {
    struct net_device* dev;
    __u8 ip_summed : 2;
} __attribute__((preserve_access_index));

#include <bpf/bpf_core_read.h>

extern void* bpf_cast_to_kern_ctx(void*) __ksym;

#define PRIVATE_FLAG(name) bpf_core_enum_value(enum netdev_priv_flags, name)

static __always_inline bool is_shared(struct __sk_buff* skb)
{
    struct sk_buff* kernel_skb = bpf_cast_to_kern_ctx(skb);
    struct net_device* device = kernel_skb->dev;
    __u32 flags;

    if (!device->rx_handler) return false;
    flags = BPF_CORE_READ_BITFIELD(device, priv_flags);
    if (flags &
        (PRIVATE_FLAG(IFF_BRIDGE_PORT) | PRIVATE_FLAG(IFF_BONDING) | PRIVATE_FLAG(IFF_TEAM_PORT)))
        return false; /* their frames for others bear other addresses, or nobody's but ours */
    if (!(flags & PRIVATE_FLAG(IFF_MACVLAN_PORT))) return true;
    /* Of macvlan's modes only passthru shares the address, and makes the device promiscuous. But all
     * of its children send through it: on the way out any packet may be theirs. */
    return device->promiscuity || !READ(skb, ingress_ifindex);
}
#else
static __always_inline bool is_shared(struct __sk_buff* skb) { return false; }
#endif

#endif
