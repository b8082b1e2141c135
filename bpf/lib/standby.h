/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Standby: tc's part in rules that the sklookup engine serves. It sleeps, at the price of one test,
 * until a listener comes that can't be steered to (Multipath TCP); it carries connections that it
 * redirected before the rule changed engines to their end; and it finds UDP servers, which begin
 * without a call that could be noticed.
 */
#ifndef BPFPORT_LIB_STANDBY_H
#define BPFPORT_LIB_STANDBY_H

#include "bpfport/meta.h"
#include "lib/admit.h"
#include "lib/listeners.h"

/* Nothing to do for any rule of this listen port. */
static __always_inline bool asleep(__u16 slot)
{
    return (slot & (BP_PORT_FALLBACK | BP_PORT_TARGET)) == BP_PORT_FALLBACK &&
           !*(volatile __u32*)&bp_table.fallback_active;
}

/* Whether tc serves this packet of a sklookup rule. Of a loopback address it serves every datagram:
 * whether a program keeps that address is not seen by sk_lookup, which runs before. */
static __always_inline bool stands_in(struct query* q, const struct bp_rule* rule)
{
    if (q->proto == BP_UDP) return rule_spares(rule, q->key.local);
    if ((rule->flags & BP_RULE_FALLBACK) && tc_serves(q->key.target_port, q->key.local))
        return true;
    q->known_only = true;
    return rule->flags & BP_RULE_TC_FLOWS;
}

/* The sk_lookup program can't look for sockets, so it is done here, on the query's datagram a
 * moment earlier: the server's group must have a living member for it to steer to. Returns 1 for a
 * datagram of a client that the server answers on a socket connected to it (QUIC, DTLS): none can
 * be steered to that, so tc serves it. */
GLOBAL int bp_keep_udp(struct __sk_buff* skb)
{
    struct query* q = query();
    struct bp_listener_key key = {.proto = BP_UDP};
    struct bpf_sock_tuple tuple = {};
    struct bpf_sock* sk;
    int connected = 0;

    if (!q) return 0;
    key.port = q->key.target_port;
    sk = bpf_sk_lookup_udp(skb, &tuple, socket_tuple(&tuple, &q->key, key.port),
                           BPF_F_CURRENT_NETNS, 0);
    if (!sk) return 0;
    bound_address(sk, key.address);
    if (READ(sk, dst_port))
        connected = 1;
    else if (!group_lives(&key, READ(sk, bound_dev_if)))
        keep_found(sk, &key);
    bpf_sk_release(sk);
    return connected;
}

#endif
