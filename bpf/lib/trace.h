/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Trace: events for whoever watches (bpfport/event.h). Nobody: one load and one branch, and only
 * where something is counted that is not an ordinary packet of a known flow.
 *
 * An event is made of this CPU's query (lib/query.h), which has what is known of the packet.
 */
#ifndef BPFPORT_LIB_TRACE_H
#define BPFPORT_LIB_TRACE_H

#include "bpfport/event.h"
#include "lib/count.h"
#include "lib/packet.h"
#include "lib/query.h"
#include "lib/rules.h"

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, BP_EVENT_BYTES);
} bp_events SEC(".maps");

/* WITHOUT_TRACE: for bench/trace_cost.sh, which measures what this costs when nobody watches. */
static __always_inline bool watched(void)
{
#ifdef WITHOUT_TRACE
    return false;
#endif
    return *(volatile __u64*)&bp_table.lease.expires;
}

/* Which event, as one argument: kind and enum bp_outcome (of BP_EVENT_OUTCOME). */
static __always_inline __u32 happening(__u8 kind, __u8 outcome) { return kind | outcome << 8; }

GLOBAL int bp_trace(__u32 what)
{
    struct query* q = query();
    __u64 now = bpf_ktime_get_ns();
    struct bp_event* event;

    if (!q) return 0;
    /* The watcher has died. A renewal in this very moment gets lost: the next one makes up for it.
     */
    if (now > bp_table.lease.expires) {
        bp_table.lease.expires = 0;
        return 0;
    }
    event = bpf_ringbuf_reserve(&bp_events, sizeof(*event), 0);
    if (!event) {
        ATOMIC_ADD(&bp_table.lease.lost, 1);
        return 0;
    }
    __builtin_memset(event, 0, sizeof(*event));
    event->time = now;
    event->kind = what;
    event->outcome = what >> 8;
    event->ifindex = q->ifindex;
    event->rule = q->rule;
    event->proto = q->proto;
    copy_address(event->peer, q->key.peer);
    copy_address(event->local, q->key.local);
    event->peer_port = q->key.peer_port;
    event->listen_port = q->listen_port;
    event->target_port = q->target_port ? q->target_port : q->key.target_port;
    bpf_ringbuf_submit(event, 0);
    return 1;
}

/* Counts an outcome of this CPU's query and tells who watches. */
static __always_inline void note(__u8 outcome)
{
    count_outcome(outcome);
    if (watched()) bp_trace(happening(BP_EVENT_OUTCOME, outcome));
}

/* The same for a query that is still on the stack. */
static __always_inline void note_query(const struct query* q, __u8 outcome)
{
    count_outcome(outcome);
    if (watched() && ask(q)) bp_trace(happening(BP_EVENT_OUTCOME, outcome));
}

/* Counts a flow and tells who watches. */
static __always_inline void note_flow(const struct query* q)
{
    count_connection(q->rule);
    if (watched()) bp_trace(happening(BP_EVENT_FLOW, 0));
}

#endif
