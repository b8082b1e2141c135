/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Own: datagrams that this host itself sends from a listen port (ntpd asks from 123, a resolver from
 * 53, by sockets that are not connected). Each leaves a flow that says that the answer is the
 * sender's, unless the peer is a client on record: the older use wins while it lasts.
 */
#ifndef BPFPORT_LIB_OWN_H
#define BPFPORT_LIB_OWN_H

#include "lib/flows.h"
#include "lib/parse.h"
#include "lib/query.h"
#include "lib/rules.h"

/* The packet: a datagram of this host, from a port with that slot. What has been rewritten on another
 * device (a bridge, a bond) comes here too; its peer is on record. */
GLOBAL int bp_note_own(struct __sk_buff* skb, __u64 packed, __u32 slot)
{
    struct query* q = query();
    struct packet p;
    struct bp_flow* flow;
    struct ports* ports;
    __be16 listen_port;
    __u32 id;

    if (!q || packet_unpack(&p, packed) != PARSED) return 0;
    ports = (struct ports*)transport(skb, &p, sizeof(*ports));
    if (!ports) return 0;
    listen_port = ports->source;
    q->key.peer_port = ports->destination;
    if (!packet_addresses(&p, skb_data(skb), skb_end(skb), q->key.local, q->key.peer)) return 0;
    q->ifindex = READ(skb, ifindex);
    id = bp_find_rule(slot);
    if (!id) return 0;
    q->key.target_port = rule_target(rules_get(rules_side(), id), listen_port);
    flow = flow_lookup(BP_UDP, &q->key);
    if (flow && flow->listen_port == listen_port && in_use(flow)) return 0;
    flow_store(BP_UDP, &q->key, (struct bp_flow){0, listen_port, 0, tick()});
    return 0;
}

#endif
