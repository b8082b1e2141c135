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

/* Map `outcomes`: per-CPU array by enum bp_outcome, one __u64 each. */

#endif
