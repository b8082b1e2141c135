/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Policy: the rules and grants of one cgroup, written by user space and read by the programs attached to
 * that cgroup; cgroup-<id>/ in the store.
 *
 * A grant (80) lets bind(80) pass without CAP_NET_BIND_SERVICE, in any network namespace (Linux 5.12).
 * A rule (80:3000) turns bind(80) into bind(3000), lets getsockname() say 80, and redirects connects of
 * local clients for 80 to 3000. It holds in one network namespace, given by its cookie. When a rule has
 * replaced the port, the grant must cover the new one.
 *
 * It is one global variable with two sides, flipped as the rule table's (table.h). Ports in host byte
 * order, addresses in network byte order, IPv4 as v4-mapped IPv6 addresses.
 */
#ifndef BPFPORT_POLICY_H
#define BPFPORT_POLICY_H

#include <linux/types.h>

#define BP_POLICY_RULES 64
#define BP_POLICY_GRANTS 64

enum bp_policy_flags {
    BP_POLICY_NO_LOCAL = 1 << 1, /* connects are not redirected */
    BP_POLICY_AUTO = 1 << 2,     /* 80:auto: bpfport chose the target; for status */
};

/* In the order of the search: the longest prefix first. Only binds and connects to an address that is
 * equal in the bits of `mask` match. */
struct bp_policy_rule {
    __u8 address[16];
    __u8 mask[16]; /* ones, then zeros; all zero: every address */
    __u64 netns_cookie;
    __u16 listen_first; /* 0: the entry is free */
    __u16 listen_last;
    __u16 target_first; /* listen_first..listen_last map one to one to target_first.. */
    __u16 id; /* index plus one. Read instead of computed: the verifier would follow each value */
    __u16 counter; /* index in `calls`; the same while the rule exists */
    __u8 proto;    /* enum bp_proto */
    __u8 flags;    /* enum bp_policy_flags */
    __u16 reserved[2];
};

struct bp_policy_grant {
    __u16 first; /* 0: the entry is free */
    __u16 last;
    __u16 id; /* index plus one */
    __u8 proto;
    __u8 reserved;
};

struct bp_policy_side {
    __u32 rules_end; /* index behind the last entry in use */
    __u32 grants_end;
    struct bp_policy_rule rules[BP_POLICY_RULES];
    struct bp_policy_grant grants[BP_POLICY_GRANTS];
};

struct bp_policy {
    __u32 flips; /* changes so far; bit 0 is the index of the side in force */
    __u32 reserved;
    __u64 cgroup; /* id, for events */
    struct bp_policy_side side[2];
};

/* Map `calls`: per-CPU array; rules by `counter`, then grants by index from BP_POLICY_RULES on. */
struct bp_policy_counters {
    __u64 binds;     /* that succeeded */
    __u64 connects;  /* redirected: connect(2) of the cgroup's own clients, TCP and UDP */
    __u64 datagrams; /* redirected: of unconnected UDP sockets of the cgroup's own clients */
};
#define BP_POLICY_ENTRIES (BP_POLICY_RULES + BP_POLICY_GRANTS)

/* Map `bound`, in sockets; accepted sockets inherit it (BPF_F_CLONE). Written by the bind programs. */
struct bp_bound {
    __u16 listen; /* given to bind() */
    __u16 target; /* bound; 0: the socket has no rule */
};

/* cgroup-<id>/meta */
enum bp_cgroup_flags {
    BP_CGROUP_RUN = 1 << 0, /* created by `bpfport run`; removed when its last process has ended */
};

struct bp_cgroup_meta {
    __u32 abi;
    __u32 flags;
    __u64 build; /* hash of the object that the programs came from */
    __u64 cgroup;
    __u64 created;   /* seconds since 1970 */
    char scope[256]; /* as typed: unit:web.service, container:4f1c... */
    __u64 root;      /* the cgroup that the path begins at: that of a cgroup namespace, or 1 */
    char path[1024]; /* below the cgroup2 mount */
};

#endif
