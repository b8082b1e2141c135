/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Decide: what the tc program does with a packet to a port with an entry in the table, if the usual
 * path (tc.bpf.c: one rule, a recorded flow) doesn't tell.
 */
#ifndef BPFPORT_LIB_DECIDE_H
#define BPFPORT_LIB_DECIDE_H

#include "bpfport/meta.h"
#include "lib/admit.h"
#include "lib/cookies.h"
#include "lib/listeners.h"

/* -- packets that another program of bpfport has seen --
 *
 * On stacked devices (a bridge and its ports, a VLAN and its parent, a bond) a packet passes
 * several tc hooks on its way in. The first one that redirects it sets a tag; the others let it
 * pass. Otherwise they would take it for a packet straight to the target port, and delete its flow
 * or refuse it.
 *
 * The tag is in skb->tc_index, which is 0 in a packet that arrives and which nothing reads on the
 * way to a socket. A forwarded packet keeps it, even in another network namespace, so each has a
 * tag of its own. */

extern const volatile __u16 bp_seen_tag; /* of this network namespace; 0: no tags */

static __always_inline bool has_seen_tag(const struct __sk_buff* skb)
{
    return bp_seen_tag && READ(skb, tc_index) == bp_seen_tag;
}

static __always_inline void set_seen_tag(struct __sk_buff* skb)
{
    if (bp_seen_tag) skb->tc_index = bp_seen_tag;
}

/* An XDP program sees each packet before tc does, and tc can't tell whether a datagram to a target
 * port was redirected there or came straight to it. So the XDP program decides about such
 * datagrams, and tc checks here whether it has. (A note in the frame's metadata would be lost while
 * a capture runs on the interface: a program that writes to a shared packet gets a copy without it.
 * Seen on 6.18.)
 *
 * Key: interfaces with the XDP program. The loader adds one before it attaches the program, and
 * deletes it after the program is gone. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u32);
    __type(value, __u32);
} bp_xdp_devices SEC(".maps");

/* Whether the XDP program parses such a packet (parse_simple); a VLAN tag may have been removed
 * since. */
static __always_inline bool is_simple(const struct packet* p)
{
    __u32 header = p->version == 4 ? 20 : 40;

    return !p->fragment && p->network == ETH_HEADER_LEN && p->transport == p->network + header;
}

static __always_inline bool seen_by_xdp(const struct packet* p, __u32 ifindex)
{
    return is_simple(p) && bpf_map_lookup_elem(&bp_xdp_devices, &ifindex);
}

/* -- tc as the fallback of sklookup --
 *
 * For rules of the sklookup engine tc costs one test for each packet, until a socket begins to
 * listen that sk_lookup can't select (Multipath TCP). It also serves connections that it redirected
 * before the rule changed engines, until they end, and finds UDP servers. */

/* Whether sklookup serves every packet to this listen port. */
static __always_inline bool fallback_idle(__u32 entry)
{
    return (entry & (BP_PORT_FALLBACK | BP_PORT_TARGET)) == BP_PORT_FALLBACK &&
           !*(volatile __u32*)&bp_table.fallback_active;
}

/* Whether tc serves this packet to a sklookup rule. It serves every datagram to a loopback address:
 * the sk_lookup program, which runs first, can't know whether a program listens on that address. */
static __always_inline bool fallback_serves(struct pkt_info* pkt, const struct bp_rule* rule)
{
    if (pkt->proto == BP_UDP) return rule_exempts(rule, pkt->key.local);
    if ((rule->flags & BP_RULE_FALLBACK) && fallback_wanted(pkt->key.target_port, pkt->key.local))
        return true;
    pkt->known_only = true;
    return rule->flags & BP_RULE_TC_FLOWS;
}

/* Stores the UDP server of the datagram in pkt_info(), which the sk_lookup program will select:
 * that program can't look sockets up, and a UDP server starts without a call that sockops would
 * see. Returns 1 if the server has a socket connected to the client (QUIC, DTLS): sk_lookup can't
 * select that one, so tc serves the datagram. */
GLOBAL int bp_store_udp_server(struct __sk_buff* skb)
{
    struct pkt_info* pkt = pkt_info();
    struct bp_listener_key key = {.proto = BP_UDP};
    struct bpf_sock_tuple tuple = {};
    struct bpf_sock* sk;
    int connected = 0;

    if (!pkt) return 0;
    key.port = pkt->key.target_port;
    sk = bpf_sk_lookup_udp(skb, &tuple, socket_tuple(&tuple, &pkt->key, key.port),
                           BPF_F_CURRENT_NETNS, 0);
    if (!sk) return 0;
    bound_address(sk, key.address);
    if (READ(sk, dst_port))
        connected = 1;
    else if (!group_has_member(&key, READ(sk, bound_dev_if)))
        store_listener(sk, &key);
    bpf_sk_release(sk);
    return connected;
}

/* -- the decision -- */

static __always_inline bool wrong_vlan(struct __sk_buff* skb, const struct packet* p,
                                       const struct bp_rule* rule)
{
    return !(rule->flags & BP_RULE_VLAN) &&
           (p->tagged || (READ(skb, vlan_present) && (READ(skb, vlan_tci) & 0x0fff)));
}

/* Whether the flow continues as recorded, without a look-up of sockets or clients. */
static __always_inline bool is_recorded(const struct bp_flow* flow, const struct pkt_info* pkt,
                                        const struct bp_rule* rule)
{
    return flow && flow->listen_port == pkt->orig_port &&
           !chooses_anew(flow, rule, pkt->proto, pkt->opens) &&
           !(pkt->opens && (pkt->known_only || (rule->flags & BP_RULE_RECHECK) ||
                            rule_exempts(rule, pkt->key.local)));
}

/* No rule covers the packet in pkt_info(): its port is the listen port of another scope, or a
 * target port that a client uses directly. */
static __always_inline int without_rule(struct __sk_buff* skb, struct pkt_info* pkt,
                                        const struct packet* p)
{
    if (!(pkt->entry & BP_PORT_TARGET)) return leave(BP_OUTCOME_OTHER_SCOPE);
    pkt->key.target_port = pkt->orig_port;
    pkt->orig_port = 0;
    pkt->after_xdp = pkt->proto == BP_UDP && seen_by_xdp(p, pkt->ifindex);
    if (pkt->after_xdp) {
        set_seen_tag(skb); /* the XDP program has decided */
        if (!(pkt->entry & (BP_PORT_ANY_EXCLUSIVE | BP_PORT_FORWARDED))) return LEAVE;
    }
    return bp_admit_direct(skb);
}

/* The packet in pkt_info() is no SYN and goes straight to a target port. If no connection has its
 * tuple, it may return a SYN cookie, and the hint for the tuple is deleted. For another packet that
 * does no harm: a redirected client sends to the listen port, which leaves the hint again. */
GLOBAL int bp_end_hint(struct __sk_buff* skb)
{
    struct pkt_info* pkt = pkt_info();
    struct bp_flow* hint;
    enum holder holder;

    if (!pkt) return 0;
    pkt->key.target_port = pkt->orig_port;
    hint = bpf_map_lookup_elem(&bp_hints, &pkt->key);
    if (!hint) return 0;
    /* From a SYNPROXY, for a remote client. */
    if (pkt->ifindex == LOOPBACK_INDEX && !bp_has_local_client(skb)) return 0;
    holder = tcp_holder(skb, pkt->key.target_port).kind;
    if (holder == HOLDER_LISTENER || holder == HOLDER_LO_LISTENER)
        bpf_map_delete_elem(&bp_hints, &pkt->key);
    return 0;
}

/* The rule is for other clients than that of the packet in pkt_info(). Flows that are recorded go on:
 * they are older than the rule. */
static __always_inline int other_client(struct __sk_buff* skb, struct pkt_info* pkt,
                                        const struct bp_rule* rule, struct bp_flow* flow)
{
    if (pkt->proto == BP_UDP && !flow && (rule->flags & BP_RULE_FORWARDED))
        flow = forward_udp_lookup(&pkt->key);
    if (flow && flow->listen_port == pkt->orig_port &&
        (pkt->proto == BP_UDP ? in_use(flow) : !pkt->opens)) {
        if (pkt->proto == BP_UDP) flow_used(flow);
        pkt->target_port = flow->target_port;
        return REDIRECT;
    }
    /* What tc leaves to sk_lookup is counted there. */
    if (pkt->opens)
        return rule->engine == BP_ENGINE_SKLOOKUP ? LEAVE : leave(BP_OUTCOME_OTHER_CLIENT);
    pkt->known_only = true;
    return bp_admit(skb);
}

/* What becomes of the packet in pkt_info(), whose destination port has an entry: enum verdict. With
 * REDIRECT pkt_info() has the rule and the target port. As a GLOBAL function it is checked apart
 * from the usual path (tc.bpf.c). */
GLOBAL int bp_decide(struct __sk_buff* skb, __u64 packed)
{
    struct pkt_info* pkt = pkt_info();
    const struct bp_rule* rule;
    struct bp_flow* flow;
    struct packet p;
    __u32 side, id;

    if (!pkt || packet_unpack(&p, packed) != PARSED) return LEAVE;
    pkt->rule = 0;
    id = bp_find_rule(pkt->entry);
    if (!id && !pkt->opens && (pkt->entry & BP_PORT_TARGET)) {
        if (cookies_in_use()) bp_end_hint(skb);
        return LEAVE;
    }
    if (!id) return without_rule(skb, pkt, &p);
    side = rules_side();
    rule = rules_get(side, id);
    if (!rule) return LEAVE;
    if (wrong_vlan(skb, &p, rule)) return leave(BP_OUTCOME_TAGGED);
    if (rule->shares) {
        id = bp_share(skb, id);
        rule = rules_get(side, id);
        if (!rule) return LEAVE;
    }
    pkt->rule = id;
    pkt->key.target_port = rule_target(rule, pkt->orig_port);
    if (rule->engine == BP_ENGINE_SKLOOKUP && !fallback_serves(pkt, rule) &&
        (pkt->proto != BP_UDP || !bp_store_udp_server(skb)))
        return LEAVE;
    flow = flow_lookup(pkt->proto, &pkt->key);
    if (!rule_is_for(side, rule, pkt->key.peer)) return other_client(skb, pkt, rule, flow);
    if (!is_recorded(flow, pkt, rule)) return bp_admit(skb);
    pkt->target_port = flow->target_port;
    if (pkt->proto == BP_UDP) flow_used(flow);
    return REDIRECT;
}

#endif
