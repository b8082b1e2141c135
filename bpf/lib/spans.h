/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Spans: which span of a set or a list covers an address (struct bp_span in bpfport/table.h). Searched
 * without a helper call.
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

/* One of the spans of a side, which `spans` are: an addition less than span_get(). */
static __always_inline const struct bp_span* side_span_get(const struct bp_span* spans, __u64 index)
{
    __u64 mask = bp_span_mask;

    asm volatile("%0 &= %1" : "+r"(index) : "r"(mask));
    return &spans[index];
}

#define INLINE_SEARCH_STEPS 3 /* of lists of up to eight spans */

/* A step of the search among `left` spans from `found` on. */
static __always_inline void search_step(const struct bp_span* spans, __u64 key, __u64* found,
                                        __u64* left)
{
    __u64 half = *left >> 1;

    *found += half & (is_below(key, side_span_get(spans, *found + half)->first) - 1);
    *left -= half;
}

/* The index of the last of `count` spans from `at` on that does not begin behind the key. Its
 * arguments are numbers: a GLOBAL function takes pointers from 5.13 on only. The loop of the steps has no
 * branch but its own: the verifier follows both ways of each. */
GLOBAL __u32 bp_search_spans(__u32 side, __u32 at, __u32 count, __u64 key)
{
    __u32 zero = 0;
    const struct bp_span* spans = bpf_map_lookup_elem(&bp_spans, &zero);
    __u64 found = at, left = count, index = found + (count & ~BP_SPAN_INDEXED);

    if (!spans) return 0;
    spans = span_get(spans, side, 0);
    for (int level = 0; level < BP_INDEX_LEVELS && (left & BP_SPAN_INDEXED); level++) {
        const struct bp_span* head = side_span_get(spans, index);
        __u64 bucket = (key - head->first) >> (head->rule & 63);

        left = 1;
        if (key < head->first) break;
        if (bucket >= head->count) bucket = head->count - 1;
        head = side_span_get(spans, index + 1 + bucket);
        found = head->rule;
        left = head->count;
        index = head->first;
    }
    for (int i = 0; i < BP_SEARCH_STEPS; i++) {
        if (left <= 1) break;
        search_step(spans, key, &found, &left);
    }
    return found;
}

/* The same, without a call where the list is short. */
static __always_inline __u32 search_short(const struct bp_span* spans, __u32 side, __u32 at,
                                          __u32 count, __u64 key)
{
    __u64 found = at, left = count;

    if (count > 1 << INLINE_SEARCH_STEPS) return bp_search_spans(side, at, count, key);
    for (int i = 0; i < INLINE_SEARCH_STEPS; i++)
        search_step(span_get(spans, side, 0), key, &found, &left);
    return found;
}

/* A span found, as a number: a GLOBAL function returns no more. */
#define FOUND_RULE(found) ((__u32)(found))
#define FOUND_COUNT(found) ((__u32)((found) >> 32))

/* The span that covers the address of these halves, in a list of addresses. Calls are few: a call and its
 * return take as long as several steps of a search where the kernel makes returns safe (SRSO). */
static __always_inline const struct bp_span* list_get(const struct bp_span* spans, __u32 side,
                                                      __u32 at, __u32 count, __u64 high, __u64 low)
{
    const struct bp_span* found = span_get(spans, side, at);

    /* All IPv4 addresses are in the first span. */
    if (count > 1 && span_get(spans, side, at + 1)->first <= high)
        found = span_get(spans, side, search_short(spans, side, at, count, high));
    if (!(found->rule & BP_SPAN_LOW)) return found;
    return span_get(spans, side,
                    bp_search_spans(side, found->rule & ~BP_SPAN_LOW, found->count, low));
}

GLOBAL __u64 bp_search_list(__u32 side, __u32 at, __u32 count, __u64 high, __u64 low)
{
    __u32 zero = 0;
    const struct bp_span* spans = bpf_map_lookup_elem(&bp_spans, &zero);
    const struct bp_span* found;

    if (!spans) return 0;
    found = list_get(spans, side, at, count, high, low);
    return found->rule | (__u64)found->count << 32;
}

/* The span of a scope in a set; another one: the set has none. */
static __always_inline const struct bp_span* scope_get(const struct bp_span* spans, __u32 side,
                                                       __u32 set, __u32 scope)
{
    const struct bp_span* found = span_get(spans, side, set + 1);

    if (found->first == scope) return found; /* most sets have one interface */
    return span_get(spans, side,
                    bp_search_spans(side, set + 1, span_get(spans, side, set)->count, scope));
}

/* The span of a set that covers an address for packets of a scope; 0: none of that scope does. */
GLOBAL __u64 bp_search_set(__u32 side, __u32 set, __u32 scope, __u64 high, __u64 low)
{
    __u32 zero = 0;
    const struct bp_span* spans = bpf_map_lookup_elem(&bp_spans, &zero);
    const struct bp_span* found;

    if (!spans) return 0;
    found = scope_get(spans, side, set, scope);
    if (found->first != scope) return 0;
    return bp_search_list(side, found->rule, found->count, high, low);
}

/* The id of the rule of those at `shares` (bp_rule.shares) that gets a connection with this hash. */
static __always_inline __u32 share_get(const struct bp_span* spans, __u32 side, __u32 shares,
                                       __u32 hash)
{
    __u32 count = span_get(spans, side, shares)->count;

    return span_get(spans, side, search_short(spans, side, shares + 1, count, hash))->rule;
}

GLOBAL __u32 bp_search_shares(__u32 side, __u32 shares, __u32 hash)
{
    __u32 zero = 0;
    const struct bp_span* spans = bpf_map_lookup_elem(&bp_spans, &zero);

    return spans ? share_get(spans, side, shares, hash) : 0;
}

/* Whether the clients at `clients` (bp_rule.clients) have one with this address. */
GLOBAL __u32 bp_has_client(__u32 side, __u32 clients, __u64 high, __u64 low)
{
    const struct bp_span* head = span_at(side, clients);

    if (!head) return 0;
    return FOUND_RULE(bp_search_list(side, clients + 1 + 2 * head->rule, head->count, high, low));
}

#endif
