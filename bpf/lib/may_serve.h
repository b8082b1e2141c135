/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * May serve: whether any rule of the sklookup engine has a use for a socket that listens.
 */
#ifndef BPFPORT_LIB_MAY_SERVE_H
#define BPFPORT_LIB_MAY_SERVE_H

#include "bpfport/listener.h"
#include "bpfport/meta.h"
#include "lib/loop.h"
#include "lib/rules.h"

/* Whether the rule gives a listener on this target port and address something: 1 or 0. */
static __always_inline __u64 rule_serves(const struct bp_rule* rule, __u16 port,
                                         const struct bp_listener_key* listener)
{
    const __u64* own = (const __u64*)rule->address;
    const __u32* bound = (const __u32*)listener->address;
    __u64 has_address = (rule->flags / BP_RULE_ADDRESS) & 1;
    __u64 differs = (own[0] ^ (bound[0] | (__u64)bound[1] << 32)) |
                    (own[1] ^ (bound[2] | (__u64)bound[3] << 32));

    return is_zero(rule_misses_target(rule, port) | (rule->engine ^ BP_ENGINE_SKLOOKUP) |
                   (rule->proto ^ BP_TCP) | (differs & -has_address));
}

struct rule_search {
    const struct bp_table_side* side;
    const struct bp_listener_key* listener;
    __u64 served; /* not 0: a rule serves the listener */
};

static long search_rule(__u32 id, struct rule_search* search)
{
    const struct bp_listener_key* listener = search->listener;

    search->served |= rule_serves(rules_get(search->side, id), bpf_ntohs(listener->port), listener);
    return LOOP_GO_ON;
}

/* Whether a rule gives the listener anything: its target is the port, and its own address, when it
 * has one, is the listener's. Others can't take up places in the map. */
GLOBAL int bp_may_serve(const struct bp_listener_key* listener)
{
    struct rule_search search = {.side = rules_side(), .listener = listener};

    if (!listener) return 0;
    if (!(rules_slot(search.side, BP_TCP, listener->port) & BP_PORT_STEERED)) return 0;
    if (address_is_unspecified(listener->address)) return 1;
    if (HAS_LOOP) {
        bpf_loop(BP_MAX_RULES, search_rule, &search, 0);
    } else {
        __u16 port = bpf_ntohs(listener->port);
        __u64 served = 0;

        /* In registers, at half the instructions of LOOP(); and to the end: verifiers before 6.7 refuse
         * the loop that clang makes of an early return ("back-edge"). */
        for (__u32 id = 1; id < BP_MAX_RULES; id++)
            served |= rule_serves(&search.side->rules[id], port, listener);
        return served != 0;
    }
    return search.served != 0;
}

#endif
