/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Context: what a program's context tells of its packet or its socket. The rest of bpf/lib doesn't
 * read packet bytes of a context in any other way.
 */
#ifndef BPFPORT_LIB_CTX_H
#define BPFPORT_LIB_CTX_H

#include <linux/in.h>

#include "bpfport/table.h"
#include "lib/address.h"

/* -- bytes: the linear part is [data, end). The context has 32 bits; the verifier makes them
 * pointers. -- */

static __always_inline void* skb_data(const struct __sk_buff* skb)
{
    void* data;

    READ_AS("u32", data, skb, offsetof(struct __sk_buff, data));
    return data;
}

static __always_inline void* skb_end(const struct __sk_buff* skb)
{
    void* end;

    READ_AS("u32", end, skb, offsetof(struct __sk_buff, data_end));
    return end;
}

static __always_inline void* xdp_data(const struct xdp_md* xdp)
{
    void* data;

    READ_AS("u32", data, xdp, offsetof(struct xdp_md, data));
    return data;
}

static __always_inline void* xdp_end(const struct xdp_md* xdp)
{
    void* end;

    READ_AS("u32", end, xdp, offsetof(struct xdp_md, data_end));
    return end;
}

/* -- the kernel's skb, for the object with direct writes (bpf_cast_to_kern_ctx: Linux 6.2) -- */

#if DIRECT_WRITE
/* include/linux/netdevice.h and skbuff.h: only the fields that are read; CO-RE finds their
 * offsets. */
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

/* Whether other stacks receive behind the packet's device under its own link-layer address: a
 * container with ipvlan, or with macvlan or macvtap in mode passthru. Such a device has an
 * rx_handler, which runs after tc ingress, so a frame to this host's link-layer address may be for
 * the container. */
static __always_inline bool device_is_shared(struct __sk_buff* skb)
{
    struct sk_buff* kernel_skb = bpf_cast_to_kern_ctx(skb);
    struct net_device* device = kernel_skb->dev;
    __u32 flags;

    if (!device->rx_handler) return false;
    flags = BPF_CORE_READ_BITFIELD(device, priv_flags);
    /* Frames that these devices pass on to others have other link-layer addresses. */
    if (flags &
        (PRIVATE_FLAG(IFF_BRIDGE_PORT) | PRIVATE_FLAG(IFF_BONDING) | PRIVATE_FLAG(IFF_TEAM_PORT)))
        return false;
    if (!(flags & PRIVATE_FLAG(IFF_MACVLAN_PORT))) return true;
    /* Only macvlan's mode passthru shares the address, and makes the device promiscuous. But
     * children in all modes send through it: an outgoing packet may be a child's. */
    return device->promiscuity || !READ(skb, ingress_ifindex);
}
#else
/* This object can't know, and takes no device for shared. */
static __always_inline bool device_is_shared(struct __sk_buff* skb) { return false; }
#endif

/* -- sk_lookup -- */

extern const volatile __u32 bp_has_ifindex; /* ctx->ingress_ifindex can be read (Linux 5.17) */

static __always_inline __u8 lookup_proto(const struct bpf_sk_lookup* ctx)
{
    return READ(ctx, protocol) == IPPROTO_UDP ? BP_UDP : BP_TCP;
}

/* 0: the kernel doesn't tell. */
static __always_inline __u32 lookup_ifindex(const struct bpf_sk_lookup* ctx)
{
    return bp_has_ifindex ? READ(ctx, ingress_ifindex) : 0;
}

static __always_inline void lookup_addresses(const struct bpf_sk_lookup* ctx,
                                             struct bp_flow_key* key)
{
    if (READ(ctx, family) == FAMILY_V4) {
        map_v4(key->peer, READ(ctx, remote_ip4));
        map_v4(key->local, READ(ctx, local_ip4));
        return;
    }
    READ_ADDRESS(key->peer, ctx, remote_ip6);
    READ_ADDRESS(key->local, ctx, local_ip6);
}

/* -- sockops: the addresses of the socket -- */

static __always_inline void local_address(const struct bpf_sock_ops* ctx, __u8* address)
{
    if (READ(ctx, family) == FAMILY_V4) {
        map_v4(address, READ(ctx, local_ip4));
        return;
    }
    READ_ADDRESS(address, ctx, local_ip6);
}

static __always_inline void remote_address(const struct bpf_sock_ops* ctx, __u8* address)
{
    if (READ(ctx, family) == FAMILY_V4) {
        map_v4(address, READ(ctx, remote_ip4));
        return;
    }
    READ_ADDRESS(address, ctx, remote_ip6);
}

#endif
