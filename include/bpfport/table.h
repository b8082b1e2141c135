/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The rule table: what the loader writes and the programs read. One per network namespace.
 *
 * It is one global variable (a memory-mapped array map), so a program reaches it without a helper
 * call, and the unmatched packet costs two loads. It has two sides: the loader writes the side that
 * is not in use and then counts `flips` up with one store, so any change, of one rule or of a hundred,
 * happens at once for every packet and a killed loader leaves the old side in force.
 *
 * Ports are in host byte order here, since ranges need arithmetic; addresses are in network order,
 * IPv4 as v4-mapped IPv6 (::ffff:a.b.c.d).
 */
#ifndef BPFPORT_TABLE_H
#define BPFPORT_TABLE_H

#include <linux/types.h>

#include "bpfport/event.h"

enum bp_proto {
    BP_TCP = 0,
    BP_UDP = 1,
    BP_PROTOS = 2,
};

/* Rule ids and set ids run from 1; 0 is none. */
#define BP_MAX_RULES 512
#define BP_MAX_SETS 512
/* Rules that may share one listen port: they differ by interface or local address. */
#define BP_SET_SIZE 8

/* A port's slot: the set of rules that listen on it, and what it is as somebody's target. */
#define BP_SLOT_SET 0x01ff
#define BP_SLOT_TARGET 0x8000         /* a rule's target: replies from it may be ours */
#define BP_SLOT_EXCLUSIVE 0x4000      /* direct clients of this target are refused (reset) ... */
#define BP_SLOT_EXCLUSIVE_DROP 0x2000 /* ... or dropped */
#define BP_SLOT_ANY_EXCLUSIVE (BP_SLOT_EXCLUSIVE | BP_SLOT_EXCLUSIVE_DROP)
#define BP_SLOT_FORWARDED 0x1000 /* replies forwarded by this host may be ours as well */
#define BP_SLOT_STEERED 0x0800   /* a sklookup rule's target: who listens there is kept */
#define BP_SLOT_DORMANT 0x0400   /* sklookup serves every rule here: tc sleeps, see `awake` */

enum bp_on_absent {
    BP_ABSENT_RESET = 0, /* rewritten all the same: the kernel's own RST or ICMP error answers */
    BP_ABSENT_DROP = 1,
    BP_ABSENT_PASS = 2, /* left alone, as if there were no rule */
};

enum bp_rule_flags {
    BP_RULE_NO_LOCAL = 1 << 0,  /* clients on this host are not served (nothing matches on lo) */
    BP_RULE_FORWARDED = 1 << 1, /* packets this host forwards are redirected too */
    BP_RULE_VLAN = 1 << 2,      /* frames with a VLAN tag are redirected too */
    BP_RULE_DRAINING = 1 << 3,  /* connections on record go on, new ones are left alone */
    BP_RULE_EXCLUSIVE = 1 << 4, /* shown by status; the programs read the target's slot */
    BP_RULE_ADDRESS = 1 << 5,   /* `address` is set: only packets to it match */
    BP_RULE_CAREFUL = 1 << 6,   /* a SYN or datagram is checked even when its flow is known */
    BP_RULE_STANDBY = 1 << 7,   /* sklookup: tc is attached too, and serves what can't be steered */
    BP_RULE_TC_FLOWS = 1 << 8,  /* sklookup: connections that tc redirected before go on */
    BP_RULE_XDP_GENERIC = 1 << 9, /* xdp: generic XDP will do where it runs */
};

/* Whose connections to a target port tc serves in the place of sklookup. */
enum bp_by_tc {
    BP_BY_TC_EVERY = 1 << 0,
    BP_BY_TC_LOOPBACK = 1 << 1, /* the listener is on a loopback address: those to such addresses */
};

struct bp_rule {
    __u8 address[16];   /* local address it is for; all zero: every address */
    __u32 ifindex;      /* interface it is for; 0: every interface of the netns */
    __u16 listen_first; /* listen_first..listen_last map one to one to target_first.. */
    __u16 listen_last;
    __u16 target_first;
    __u16 old_target_first; /* target before the last change, whose connections live on; 0: none */
    __u8 proto;             /* enum bp_proto */
    __u8 on_absent;         /* enum bp_on_absent */
    __u16 flags;            /* enum bp_rule_flags */
    __u32 engine;           /* enum bp_engine (meta.h) that serves it */
    __u32 reserved;
};

struct bp_table_side {
    __u16 ports[BP_PROTOS][65536];        /* BP_SLOT_*, by port in host order */
    __u16 sets[BP_MAX_SETS][BP_SET_SIZE]; /* rule ids, 0 ends a set */
    struct bp_rule rules[BP_MAX_RULES];   /* a free one has listen_first 0 */
};

struct bp_table {
    __u32 flips;           /* changes so far; the last bit is the side in force */
    __u32 last_id;         /* the rule id given out last; for the loader */
    struct bp_watch watch; /* whether anybody wants events (event.h) */
    struct bp_table_side side[2];
    /* The programs' own, not flipped: TCP target ports, in host order, with a listener that can't be
     * steered to (Multipath TCP). Set when it starts, cleared by the loader when it has gone. */
    __u32 awake;       /* one of by_tc is set, or was */
    __u8 by_tc[65536]; /* enum bp_by_tc */
};

#endif
