/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Reply: which connection or flow an outgoing packet belongs to.
 *
 * A packet from a target port belongs to the connection whose socket sent it, or to a recorded
 * flow.
 *
 * A datagram that this host itself sends from a listen port (ntpd from 123, a resolver from 53, by
 * sockets that are not connected) records a flow, so that the answer goes to the socket that sent
 * it.
 *
 * A UDP server on the wildcard address that gets a datagram on a secondary address answers from the
 * address that the kernel chooses for it. Such a reply has no flow; its peer and target port tell
 * which address the peer sent to last (map last_local), and the reply gets that source address
 * before it gets the listen port. Later fragments of a reply, which have no ports, are recognised
 * by addresses and identification.
 */
#ifndef BPFPORT_LIB_REPLY_H
#define BPFPORT_LIB_REPLY_H

#include "lib/cookies.h"
#include "lib/flows.h"
#include "lib/forward.h"
#include "lib/l4.h"
#include "lib/parse.h"
#include "lib/rewrite.h"
#include "lib/rules.h"
#include "lib/shares.h"
#include "lib/tuple.h"

/* -- a reply from another address than its peer sent to -- */

struct fragment_key {
    __u8 source[16]; /* the address that the kernel chose */
    __u8 destination[16];
    __u32 identification;
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1024);
    __type(key, struct fragment_key);
    __type(value, struct bp_last_local);
} bp_fragments SEC(".maps");

/* Whether `bp_fragments` was ever used. The look-up in an array is inlined: no call. */
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

/* The identification of the UDP fragment whose IP header is at `at`. Returns its IP version; 0: it
 * is no fragment, or has other headers than the kernel's own packets. */
static __always_inline __u8 fragment_of(struct __sk_buff* skb, __u32 at, __u32* identification)
{
    void* end = skb_end(skb);

    struct iphdr* ip = skb_data(skb) + bounded(at, 0x1f); /* behind one VLAN tag at most */
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

/* Replaces the source address and updates the checksums. `l4` NULL: a later fragment, without a
 * transport checksum. */
static __always_inline bool write_source(struct __sk_buff* skb, const struct packet* p,
                                         const struct l4* l4, __u8* from, __u8* to)
{
    __u32 checksum = p->transport + (l4 ? l4->checksum : 0);
    /* The common prefix of v4-mapped addresses adds nothing. */
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

/* A datagram of this host from a target port, without a flow: replaces its source address by the
 * one that its peer sent to. Returns the listen port of that flow and, from bit 16 on, the rule; 0:
 * no flow. */
GLOBAL __u32 bp_restore_source(struct __sk_buff* skb, __u64 packed)
{
    struct pkt_info* pkt = pkt_info();
    struct packet p;
    struct l4 l4;
    struct l4_ports* ports;
    struct bp_last_local* last;
    struct bp_flow* flow;
    struct bp_flow found;
    __u8 source[16];
    __u32 zero = 0, one = 1;

    if (!pkt || packet_unpack(&p, packed) != PARSED || !l4_of(&l4, p.protocol)) return 0;
    ports = (struct l4_ports*)transport(skb, &p, sizeof(*ports));
    if (!ports) return 0;
    pkt->key.peer_port = ports->destination;
    pkt->key.target_port = ports->source;
    if (!packet_addresses(&p, skb_data(skb), skb_end(skb), pkt->key.local, pkt->key.peer)) return 0;
    last = last_local_lookup(&pkt->key);
    if (!last) return 0;
    /* A container may send through this device as well. */
    pkt->ifindex = READ(skb, ifindex);
    if (bp_locality(skb) != LOCAL) return 0;
    copy_address(source, pkt->key.local);
    copy_address(pkt->key.local, last->local);
    flow = flow_lookup(BP_UDP, &pkt->key);
    if (!flow || !flow->listen_port || flow->target_port != pkt->key.target_port) return 0;
    found = *flow;
    flow->last_used = tick();
    if (p.fragment) {
        struct fragment_key key = {};
        struct bp_last_local to;

        copy_address(key.source, source);
        copy_address(key.destination, pkt->key.peer);
        copy_address(to.local, pkt->key.local);
        if (!fragment_of(skb, p.network, &key.identification) ||
            bpf_map_update_elem(&bp_fragments, &key, &to, BPF_ANY))
            return 0;
        bpf_map_update_elem(&bp_fragmented, &zero, &one, BPF_ANY);
    }
    if (!write_source(skb, &p, &l4, source, pkt->key.local)) return 0;
    return found.listen_port | (__u32)found.rule << 16;
}

/* An outgoing packet without ports, after a first fragment was changed. */
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

/* -- this host's own datagrams -- */

/* A datagram of this host from a listen port with that entry: the flow is recorded as the socket's
 * own, unless the peer is a redirected client: the older use wins. On stacked devices (a bridge, a
 * bond) a reply that was rewritten already comes here, too; its flow is recorded. */
GLOBAL int bp_record_own(struct __sk_buff* skb, __u64 packed, __u32 entry)
{
    struct pkt_info* pkt = pkt_info();
    struct packet p;
    struct bp_flow* flow;
    struct l4_ports* ports;
    const struct bp_rule* rule;
    __be16 listen_port;
    __u32 id;

    if (!pkt || packet_unpack(&p, packed) != PARSED) return 0;
    ports = (struct l4_ports*)transport(skb, &p, sizeof(*ports));
    if (!ports) return 0;
    listen_port = ports->source;
    pkt->key.peer_port = ports->destination;
    if (!packet_addresses(&p, skb_data(skb), skb_end(skb), pkt->key.local, pkt->key.peer)) return 0;
    pkt->ifindex = READ(skb, ifindex);
    id = bp_find_rule(entry);
    rule = id ? rules_get(rules_side(), id) : NULL;
    if (!rule) return 0;
    if (rule->shares) {
        __u32 known = recorded_share_of(skb, pkt, id, BP_UDP, listen_port);

        if (known) rule = rules_get(rules_side(), known);
        if (!rule) return 0;
    }
    pkt->key.target_port = rule_target(rule, listen_port);
    flow = flow_lookup(BP_UDP, &pkt->key);
    if (flow && flow->listen_port == listen_port && in_use(flow)) return 0;
    flow_store(BP_UDP, &pkt->key, (struct bp_flow){0, listen_port, 0, tick()});
    return 0;
}

/* -- replies -- */

/* The socket that sent the packet; NULL: a request_sock, a TIME_WAIT socket, or a reset without a
 * socket. */
static __always_inline struct bpf_sock* sender(struct __sk_buff* skb, const struct l4* l4)
{
    struct bpf_sock* sk = READ(skb, sk);

    if (l4->proto != BP_TCP) return NULL;
    if (!sk) {
        cookie_sent();
        return NULL;
    }
    return bpf_sk_fullsock(sk);
}

/* Not a listener, and not one of the kernel's control sockets (one for each CPU), which have no
 * port. */
static __always_inline bool is_connection(const struct bpf_sock* sk, __be16 port)
{
    return READ(sk, src_port) == bpf_ntohs(port) && READ(sk, state) != STATE_LISTEN;
}

/* The flow that a packet from a target port belongs to. False: none is recorded. */
static __always_inline bool flow_of_reply(struct __sk_buff* skb, const struct packet* p,
                                          const struct l4* l4, const struct l4_ports* ports,
                                          __u32 entry, struct bp_flow* out)
{
    struct bp_flow_key key = {};
    struct bp_flow* flow;
    bool forwarded = READ(skb, ingress_ifindex);

    if (!packet_addresses(p, skb_data(skb), skb_end(skb), key.local, key.peer)) return false;
    key.peer_port = ports->destination;
    key.target_port = ports->source;
    if (forwarded && l4->proto == BP_TCP) {
        __u32 found = bp_forwarded_reply(skb, packet_pack(p, PARSED));

        *out = (struct bp_flow){found, ports->source, found >> 16, 0};
        return true;
    }
    flow = forwarded ? forward_udp_lookup(&key) : flow_lookup(l4->proto, &key);
    if (flow && flow->target_port == ports->source) {
        if (l4->proto == BP_UDP) flow_used(flow);
        *out = *flow;
        return true;
    }
    if (flow || l4->proto != BP_UDP || forwarded) return false;

    __u32 restored = bp_restore_source(skb, packet_pack(p, PARSED));

    if (restored) {
        *out = (struct bp_flow){restored, ports->source, restored >> 16, 0};
        return true;
    }
    /* --exclusive: a peer that this host sent to first may answer (bp_admit_direct). */
    if (entry & BP_PORT_ANY_EXCLUSIVE)
        flow_store(BP_UDP, &key, (struct bp_flow){0, ports->source, 0, tick()});
    return false;
}

#endif
