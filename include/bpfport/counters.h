/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Counters, per CPU in the kernel; the reader sums them. Packets count segments (gso_segs), bytes
 * count the frame as the hook sees it, so a GRO super-packet counts what was on the wire.
 */
#ifndef BPFPORT_COUNTERS_H
#define BPFPORT_COUNTERS_H

#include <linux/types.h>

#include "bpfport/outcome.h"

/* Map `counters`: per-CPU array by rule id. */
struct bp_counters {
    __u64 packets_in;
    __u64 bytes_in;
    __u64 packets_out;
    __u64 bytes_out;
    __u64 connections; /* TCP: records made; UDP: flows made. A retransmitted SYN makes none. */
};

/*
 * The tables that remember flows (flow.h). They are LRU: full is their normal state after a while,
 * and what is evicted goes unseen. How many flows were stored is counted instead: with the capacity
 * it says how long a flow is remembered.
 */
#define BP_FLOW_TABLES(X)                                                                          \
    X(HINTS, "hints")                                                                              \
    X(UDP, "udp_flows")                                                                            \
    X(FORWARD_TCP, "forward_tcp")                                                                  \
    X(FORWARD_UDP, "forward_udp")

enum bp_flow_table {
#define BP_ENUMERATOR(name, label) BP_FLOWS_##name,
    BP_FLOW_TABLES(BP_ENUMERATOR)
#undef BP_ENUMERATOR
        BP_FLOW_TABLE_COUNT,
};

/* Map `outcomes`: per-CPU array, one __u64 each: by enum bp_outcome; behind those, by enum
 * bp_flow_table, the flows stored. */
#define BP_OUTCOME_STORED BP_OUTCOME_COUNT
#define BP_OUTCOME_ENTRIES (BP_OUTCOME_STORED + BP_FLOW_TABLE_COUNT)

#endif
