/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Mark: on stacked devices (a bridge and its ports, a VLAN and its parent, a bond) one packet meets
 * several of our hooks on its way in. The first that redirects it leaves a mark in the skb; the
 * others must let it pass, or they would take it for one that went straight to the target port,
 * forget its flow (its client would be answered from the target port), or refuse it.
 *
 * The mark stands in skb->tc_index, which no packet carries on arrival and nothing reads on the way
 * to a socket. A forwarded packet takes it along, into another netns even, so each has its own.
 */
#ifndef BPFPORT_LIB_MARK_H
#define BPFPORT_LIB_MARK_H

#include "lib/kernel.h"

/* This netns' mark, set by the loader; 0: none is left and none is looked for. */
const volatile __u16 bp_seen_tag = 0;

static __always_inline bool is_marked(const struct __sk_buff* skb)
{
    return bp_seen_tag && READ(skb, tc_index) == bp_seen_tag;
}

static __always_inline void mark(struct __sk_buff* skb)
{
    if (bp_seen_tag) skb->tc_index = bp_seen_tag;
}

#endif
