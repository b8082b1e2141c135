/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Policy: what the processes of one cgroup may bind (grants), and which of their ports are other
 * ports in truth (rules). Read by the programs attached to that cgroup, cgroup-<id>/ in the store.
 *
 * A grant (80) lets bind(80) pass without CAP_NET_BIND_SERVICE, in whatever network namespace.
 * A rule (80:3000) turns bind(80) into bind(3000), tells the program 80 (getsockname), and sends
 * connects of the machine's own programs for 80 to 3000. It holds in one network namespace, which
 * it names by its cookie. A grant is asked for the port that is bound in truth.
 *
 * It is one global variable with two sides, flipped like the rule table's (table.h). Ports are in
 * host byte order, addresses in network order, IPv4 as v4-mapped IPv6.
 */
#ifndef BPFPORT_POLICY_H
#define BPFPORT_POLICY_H

#include <linux/types.h>

#define BP_POLICY_RULES 64
#define BP_POLICY_GRANTS 64

enum bp_policy_flags {
    BP_POLICY_ADDRESS = 1 << 0,  /* `address` is set: only binds and connects to it match */
    BP_POLICY_NO_LOCAL = 1 << 1, /* connects are left alone */
    BP_POLICY_AUTO = 1 << 2,     /* the target was chosen by us; for status */
};

struct bp_policy_rule {
    __u8 address[16];
    __u64 netns_cookie;
    __u16 listen_first; /* 0: this place is free */
    __u16 listen_last;
    __u16 target_first; /* listen_first..listen_last map one to one to target_first.. */
    __u8 proto;         /* enum bp_proto */
    __u8 flags;         /* enum bp_policy_flags */
    __u16 place;        /* its own index plus one: to a verifier, one value for all places */
    __u16 reserved[3];
};

struct bp_policy_grant {
    __u16 first; /* 0: this place is free */
    __u16 last;
    __u16 place;
    __u8 proto;
    __u8 reserved;
};

struct bp_policy_side {
    __u32 rules_end; /* behind the last place in use */
    __u32 grants_end;
    struct bp_policy_rule rules[BP_POLICY_RULES];
    struct bp_policy_grant grants[BP_POLICY_GRANTS];
};

struct bp_policy {
    __u32 flips; /* changes so far; the last bit is the side in force */
    __u32 reserved;
    __u64 cgroup; /* id, for events */
    struct bp_policy_side side[2];
};

/* Map `counters`: per-CPU array by place, rules first, then grants at BP_POLICY_RULES. */
struct bp_policy_counters {
    __u64 binds;     /* succeeded */
    __u64 connects;  /* sent to the target; TCP and connected UDP, of the cgroup's own clients */
    __u64 datagrams; /* sent to the target by unconnected UDP sockets */
};
#define BP_POLICY_PLACES (BP_POLICY_RULES + BP_POLICY_GRANTS)

/* Map `bound`, in sockets, inherited by accepted ones: what bind() was asked for and what it got. */
struct bp_bound {
    __u16 listen;
    __u16 target;
};

/* cgroup-<id>/meta */
enum bp_cgroup_flags {
    BP_CGROUP_RUN = 1 << 0, /* made by `bpfport run`, to be removed when its last process ends */
};

struct bp_cgroup_meta {
    __u32 abi;
    __u32 flags;
    __u64 build; /* hash of the object the programs came from */
    __u64 cgroup;
    __u64 created;   /* seconds since 1970 */
    char scope[256]; /* as it was typed: unit:web.service, container:4f1c... */
    char path[1024]; /* below the cgroup2 mount */
};

#endif
