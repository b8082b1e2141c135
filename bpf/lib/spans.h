/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Spans: which span of a set or a list covers an address (struct bp_span in bpfport/table.h). Searched by
 * halves, without a helper call.
 */
#ifndef BPFPORT_LIB_SPANS_H
#define BPFPORT_LIB_SPANS_H

#include "bpfport/table.h"
#include "lib/kernel.h"

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, 2 * BP_MIN_SPANS * sizeof(struct bp_span));
} bp_spans SEC(".maps");

/* Spans of a side, less one. As a constant to the verifier it bounds an index. */
const volatile __u32 bp_span_mask = BP_MIN_SPANS - 1;

static __always_inline const struct bp_span* span_get(const struct bp_span* spans, __u32 side,
                                                      __u32 at)
{
    __u64 index = at;
    __u64 from = -(__u64)side; /* no product: 5.10 takes one of a constant for unbounded */
    __u64 mask = bp_span_mask;

    asm volatile("%0 &= %1" : "+r"(index) : "r"(mask));
    asm volatile("%0 &= %1" : "+r"(from) : "r"(mask + 1));
    return &spans[index + from];
}

static __always_inline const struct bp_span* span_at(__u32 side, __u32 index)
{
    __u32 zero = 0;
    const struct bp_span* spans = bpf_map_lookup_elem(&bp_spans, &zero);

    return spans ? span_get(spans, side, index) : NULL;
}

/* 1: the span begins behind the key, without a branch: the verifier follows both ways of each. */
static __always_inline __u64 span_is_behind(const struct bp_span* span, __u64 high, __u64 low)
{
    __u64 differs = span->first[0] ^ high;

    return is_below(high, span->first[0]) | (is_zero(differs) & is_below(low, span->first[1]));
}

/* The index of the last of `count` spans from `at` on that does not begin behind the key. Its
 * arguments are numbers: a GLOBAL function takes pointers from 5.13 on only. */
GLOBAL __u32 bp_search_spans(__u32 side, __u32 at, __u32 count, __u64 high, __u64 low)
{
    __u32 zero = 0;
    const struct bp_span* spans = bpf_map_lookup_elem(&bp_spans, &zero);

    if (!spans) return 0;
    for (int i = 0; i < BP_SEARCH_STEPS; i++) {
        __u32 half = count >> 1;

        if (!half) break;
        at += half & (__u32)(span_is_behind(span_get(spans, side, at + half), high, low) - 1);
        count -= half;
    }
    return at;
}

/* A span found, as a number: a GLOBAL function returns no more. */
#define FOUND_RULE(found) ((__u32)(found))
#define FOUND_COUNT(found) ((__u32)((found) >> 32))

/* The span that covers the key, of `count` from `at` on. */
GLOBAL __u64 bp_search_list(__u32 side, __u32 at, __u32 count, __u64 high, __u64 low)
{
    __u32 zero = 0;
    const struct bp_span* spans = bpf_map_lookup_elem(&bp_spans, &zero);
    const struct bp_span* found;

    if (!spans) return 0;
    found = span_get(spans, side, bp_search_spans(side, at, count, high, low));
    return found->rule | (__u64)found->count << 32;
}

/* The span of a set that covers an address for packets of a scope; 0: none of that scope does. */
GLOBAL __u64 bp_search_set(__u32 side, __u32 set, __u32 scope, __u64 high, __u64 low)
{
    __u32 zero = 0;
    const struct bp_span* spans = bpf_map_lookup_elem(&bp_spans, &zero);
    const struct bp_span* found;
    __u32 at;

    if (!spans) return 0;
    at = bp_search_spans(side, set + 1, span_get(spans, side, set)->count, scope, 0);
    found = span_get(spans, side, at);
    if (found->first[0] != scope) return 0;
    return bp_search_list(side, found->rule, found->count, high, low);
}

/* The id of the rule of those at `shares` (bp_rule.shares) that gets a connection with this hash. */
GLOBAL __u32 bp_search_shares(__u32 side, __u32 shares, __u32 hash)
{
    const struct bp_span* head = span_at(side, shares);

    return head ? FOUND_RULE(bp_search_list(side, shares + 1, head->count, hash, 0)) : 0;
}

/* Whether the clients at `clients` (bp_rule.clients) have one with this address. */
GLOBAL __u32 bp_has_client(__u32 side, __u32 clients, __u64 high, __u64 low)
{
    const struct bp_span* head = span_at(side, clients);

    if (!head) return 0;
    return FOUND_RULE(bp_search_list(side, clients + 1 + head->rule, head->count, high, low));
}

#endif
