/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Trace: counts outcomes, and writes events while a trace runs (bpfport/event.h). Without a trace
 * that costs one load and one branch, and only for packets that are not ordinary packets of a known
 * flow.
 *
 * An event is made from pkt_info().
 */
#ifndef BPFPORT_LIB_TRACE_H
#define BPFPORT_LIB_TRACE_H

#include "bpfport/event.h"
#include "lib/count.h"
#include "lib/ctx.h"
#include "lib/packet.h"
#include "lib/rules.h"

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, BP_EVENT_BYTES);
} bp_events SEC(".maps");

/* WITHOUT_TRACE: for bench/trace_cost.sh, which measures the cost while no trace runs. */
static __always_inline bool tracing(void)
{
#ifdef WITHOUT_TRACE
    return false;
#endif
    return *(volatile __u64*)&bp_table.lease.expires;
}

/* An event's kind as one argument: enum bp_event_kind, and enum bp_outcome of BP_EVENT_OUTCOME. */
static __always_inline __u32 event_kind(__u8 kind, __u8 outcome) { return kind | outcome << 8; }

/* Writes an event about the packet in pkt_info(). Returns 1 if it was written. */
static __always_inline int write_event(__u32 kind)
{
    struct pkt_info* pkt = pkt_info();
    __u64 now = bpf_ktime_get_ns();
    struct bp_event* event;

    if (!pkt) return 0;
    /* Expired: the reader was killed. A renewal at the same time is lost; the next one takes
     * effect. */
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
    event->kind = kind;
    event->outcome = kind >> 8;
    event->ifindex = pkt->ifindex;
    event->rule = pkt->rule;
    event->proto = pkt->proto;
    copy_address(event->peer, pkt->key.peer);
    copy_address(event->local, pkt->key.local);
    event->peer_port = pkt->key.peer_port;
    event->listen_port = pkt->orig_port;
    event->target_port = pkt->target_port ? pkt->target_port : pkt->key.target_port;
    bpf_ringbuf_submit(event, 0);
    return 1;
}

GLOBAL int bp_trace(__u32 kind) { return write_event(kind); }

/* Counts the outcome of the packet in pkt_info(), and writes an event if a trace runs. */
GLOBAL int bp_report(__u32 outcome)
{
    count_outcome(outcome);
    return tracing() ? write_event(event_kind(BP_EVENT_OUTCOME, outcome)) : 0;
}

static __always_inline void report(__u8 outcome) { bp_report(outcome); }

/* The same for a packet whose info is on the stack. */
static __always_inline void report_packet(const struct pkt_info* pkt, __u8 outcome)
{
    count_outcome(outcome);
    if (tracing() && pkt_info_store(pkt)) bp_trace(event_kind(BP_EVENT_OUTCOME, outcome));
}

/* Counts a new flow, and writes an event if a trace runs. */
static __always_inline void report_flow(const struct pkt_info* pkt)
{
    count_connection(pkt->rule);
    if (tracing()) bp_trace(event_kind(BP_EVENT_FLOW, 0));
}

#endif
