/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Asked at: a UDP server on the wildcard that is asked on a secondary address answers from whichever
 * address the kernel chooses for it. Such a reply has no flow; its peer and target port tell where
 * the peer sent to last, and the reply gets that address before it gets the listen port.
 *
 * Where the reply is longer than the device takes, its later fragments, which have no ports, follow
 * the first: they are known by their addresses and identification.
 */
#ifndef BPFPORT_LIB_ASKED_AT_H
#define BPFPORT_LIB_ASKED_AT_H

#include "lib/flows.h"
#include "lib/l4.h"
#include "lib/owner.h"
#include "lib/parse.h"
#include "lib/query.h"
#include "lib/rewrite.h"

struct fragment_key {
    __u8 source[16]; /* as the kernel chose it */
    __u8 destination[16];
    __u32 identification;
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1024);
    __type(key, struct fragment_key);
    __type(value, struct bp_last_local);
} bp_fragments SEC(".maps");

/* Whether the map above was ever used. Reading an array of one is no call: the kernel inlines it. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} bp_fragmented SEC(".maps");

static __always_inline bool any_fragmented(void)
{
    __u32 zero = 0;
    __u32* any = bpf_map_lookup_elem(&bp_fragmented, &zero);

    return any && *any;
}

/* The identification of the UDP fragment whose IP header is at `at`; returns its IP version. 0: it is
 * none, or of another shape than the kernel makes. */
static __always_inline __u8 fragment_of(struct __sk_buff* skb, __u32 at, __u32* identification)
{
    void* end = skb_end(skb);

    struct iphdr* ip = skb_data(skb) + bounded(at, 0x1f); /* with one VLAN tag at most */
    struct ipv6hdr* ip6 = (void*)ip;
    __u8* extension = (__u8*)(ip6 + 1);

    if ((void*)(ip + 1) > end) return 0;
    if (ip->version == 4) {
        if (ip->protocol != IPPROTO_UDP || !(ip->frag_off & bpf_htons(0x3fff))) return 0;
        *identification = ip->id;
        return 4;
    }
    if ((void*)(extension + 8) > end || ip->version != 6 || ip6->nexthdr != IPPROTO_FRAGMENT)
        return 0;
    if (extension[0] != IPPROTO_UDP) return 0;
    *identification = *(__u32*)(extension + 4);
    return 6;
}

/* Writes another source address; of the transport checksum it changes what covers that. `l4` NULL: a
 * later fragment. */
static __always_inline bool write_source(struct __sk_buff* skb, const struct packet* p,
                                         const struct l4* l4, __u8* from, __u8* to)
{
    __u32 checksum = p->transport + (l4 ? l4->checksum : 0);
    /* What both have in common as v4-mapped adds nothing. */
    __s64 difference = bpf_csum_diff((__be32*)from, 16, (__be32*)to, 16, 0);

    if (p->version == 4 &&
        bpf_l3_csum_replace(skb, p->network + offsetof(struct iphdr, check), 0, difference, 0))
        return false;
    if (l4 && to_be_segmented(skb, l4)) {
        __u16 sum;

        if (bpf_skb_load_bytes(skb, checksum, &sum, sizeof(sum))) return false;
        difference = (difference & 0xffffffff) + sum;
        difference = (difference & 0xffff) + (difference >> 16 & 0xffff) + (difference >> 32);
        difference = (difference & 0xffff) + (difference >> 16);
        sum = (difference & 0xffff) + (difference >> 16);
        if (bpf_skb_store_bytes(skb, checksum, &sum, sizeof(sum), 0)) return false;
    } else if (l4 && bpf_l4_csum_replace(skb, checksum, 0, difference,
                                         BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0)) {
        return false;
    }
    if (p->version == 4)
        return !bpf_skb_store_bytes(skb, p->network + offsetof(struct iphdr, saddr), to + 12, 4, 0);
    return !bpf_skb_store_bytes(skb, p->network + offsetof(struct ipv6hdr, saddr), to, 16, 0);
}

/* A datagram of this host from a target port, without a flow. Returns its flow's listen port and,
 * above 16 bits, rule, and has given it the address that its peer asked; or 0. */
GLOBAL __u32 bp_answer_as_asked(struct __sk_buff* skb, __u64 packed)
{
    struct query* q = query();
    struct packet p;
    struct l4 l4;
    struct ports* ports;
    struct bp_last_local* asked;
    struct bp_flow* flow;
    struct bp_flow found;
    __u8 source[16];
    __u32 zero = 0, one = 1;

    if (!q || packet_unpack(&p, packed) != PARSED || !l4_of(&l4, p.protocol)) return 0;
    ports = (struct ports*)transport(skb, &p, sizeof(*ports));
    if (!ports) return 0;
    q->key.peer_port = ports->destination;
    q->key.target_port = ports->source;
    if (!packet_addresses(&p, skb_data(skb), skb_end(skb), q->key.local, q->key.peer)) return 0;
    asked = asked_lookup(&q->key);
    if (!asked) return 0;
    /* A container's, which sends through this device as well, is none of ours. */
    q->ifindex = READ(skb, ifindex);
    if (bp_locality(skb) != LOCAL) return 0;
    copy_address(source, q->key.local);
    copy_address(q->key.local, asked->local);
    flow = flow_lookup(BP_UDP, &q->key);
    if (!flow || !flow->listen_port || flow->target_port != q->key.target_port) return 0;
    found = *flow;
    flow->last_used = tick();
    if (p.fragment) {
        struct fragment_key key = {};
        struct bp_last_local to;

        copy_address(key.source, source);
        copy_address(key.destination, q->key.peer);
        copy_address(to.local, q->key.local);
        if (!fragment_of(skb, p.network, &key.identification) ||
            bpf_map_update_elem(&bp_fragments, &key, &to, BPF_ANY))
            return 0;
        bpf_map_update_elem(&bp_fragmented, &zero, &one, BPF_ANY);
    }
    if (!write_source(skb, &p, &l4, source, q->key.local)) return 0;
    return found.listen_port | (__u32)found.rule << 16;
}

/* A packet without ports on its way out, when some reply's first fragment has been changed. */
GLOBAL int bp_later_fragment(struct __sk_buff* skb, __u32 link_header)
{
    struct packet p = {};
    struct fragment_key key = {};
    struct bp_last_local* to;
    __u32 protocol = READ(skb, protocol);

    if (READ(skb, ingress_ifindex)) return 0;
    if (protocol != bpf_htons(ETH_P_IP) && protocol != bpf_htons(ETH_P_IPV6)) return 0;
    p.network = bounded(link_header, 0x1f);
    p.version = fragment_of(skb, p.network, &key.identification);
    if (!p.version ||
        !packet_addresses(&p, skb_data(skb), skb_end(skb), key.source, key.destination))
        return 0;
    to = bpf_map_lookup_elem(&bp_fragments, &key);
    return to && write_source(skb, &p, NULL, key.source, to->local);
}

#endif
