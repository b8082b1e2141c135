/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Counters: per CPU in the kernel, written by the programs only; user space adds the CPUs up.
 *
 * Packets are counted in segments (gso_segs), bytes in frames as the hook sees them, with the headers
 * of each segment: a GRO packet counts what was on the wire. The per-CPU arrays work on every kernel
 * from 5.10 on; nothing is atomic, since a CPU writes its own values only.
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
    __u64 connections; /* TCP: records created; UDP: flows created. A repeated SYN creates none. */
};

/*
 * The LRU maps of flow.h. Such a map is full after a while, and evictions can't be counted. The
 * insertions are: their rate and the map's capacity tell how long an unused flow is kept.
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

/* Map `outcomes`: per-CPU array of __u64. First one entry for each enum bp_outcome, then one for each
 * enum bp_flow_table: flows inserted. */
#define BP_OUTCOME_STORED BP_OUTCOME_COUNT
#define BP_OUTCOME_ENTRIES (BP_OUTCOME_STORED + BP_FLOW_TABLE_COUNT)

#endif
