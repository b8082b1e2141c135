/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Counters (bpfport/counters.h): per CPU, so without atomic instructions.
 */
#ifndef BPFPORT_LIB_COUNT_H
#define BPFPORT_LIB_COUNT_H

#include "bpfport/counters.h"
#include "bpfport/table.h"
#include "lib/kernel.h"

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, BP_MIN_RULES); /* the loader sets the size */
    __type(key, __u32);
    __type(value, struct bp_counters);
} bp_counters SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, BP_OUTCOME_ENTRIES);
    __type(key, __u32);
    __type(value, __u64);
} bp_outcomes SEC(".maps");

/* What a packet adds to the counters: a GRO packet is `segments` that each had the headers. */
struct weight {
    __u32 segments;
    __u64 bytes;
};

static __always_inline struct weight weigh(__u32 length, __u32 segments, __u32 headers)
{
    if (segments <= 1) return (struct weight){1, length};
    return (struct weight){segments, length + (__u64)(segments - 1) * headers};
}

static __always_inline void count_in(__u32 rule, struct weight weight)
{
    struct bp_counters* c = bpf_map_lookup_elem(&bp_counters, &rule);

    if (!c) return;
    c->packets_in += weight.segments;
    c->bytes_in += weight.bytes;
}

static __always_inline void count_out(__u32 rule, struct weight weight)
{
    struct bp_counters* c = bpf_map_lookup_elem(&bp_counters, &rule);

    if (!c) return;
    c->packets_out += weight.segments;
    c->bytes_out += weight.bytes;
}

static __always_inline void count_connection(__u32 rule)
{
    struct bp_counters* c = bpf_map_lookup_elem(&bp_counters, &rule);

    if (c) c->connections++;
}

/* GLOBAL: the kernel expands each look-up in an array to ten instructions, and moves all instructions
 * behind them; that takes longer than their verification. */
GLOBAL int bp_count_outcome(__u32 outcome)
{
    __u64* n = bpf_map_lookup_elem(&bp_outcomes, &outcome);

    if (n) ++*n;
    return 0;
}

static __always_inline void count_outcome(__u32 outcome) { bp_count_outcome(outcome); }

/* A flow was inserted. */
static __always_inline void count_stored(enum bp_flow_table table)
{
    count_outcome(BP_OUTCOME_STORED + table);
}

#endif
