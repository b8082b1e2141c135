/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Root cgroup: maps of the programs on the root cgroup. These run for every program of the machine, so
 * a bit for each port tells first whether a call may concern a rule.
 *
 * claims   local_clients/: a connect of a local client to the listen port of a cgroup's rule goes to the
 *          target port
 * guards   guard/: a port that only its owner may bind
 *
 * An entry holds in one network namespace, given by its cookie (bpf_get_netns_cookie in these programs:
 * Linux 5.7). Ports in host byte order, addresses in network byte order, IPv4 as v4-mapped IPv6
 * addresses. User space writes the entries; the programs write the counters in them.
 */
#ifndef BPFPORT_ROOT_CGROUP_H
#define BPFPORT_ROOT_CGROUP_H

#include <linux/types.h>

#include "bpfport/table.h"

/* Map `ports`, a global of both objects: ports that have an entry in some network namespace. */
struct bp_port_bitmap {
    __u64 bits[BP_PROTOS][65536 / 64];
};

/* Map `claims` is an LPM trie: of the rules for a port, the one with the longest prefix. */
struct bp_claim_key {
    __u32 length; /* of what follows, in bits: BP_CLAIM_BITS and those of the rule's local prefix */
    __u8 netns_cookie[8];
    __u16 port; /* listen port */
    __u8 proto; /* enum bp_proto */
    __u8 reserved;
    __u8 address[16]; /* all zero, of length 0: every local address */
};
#define BP_CLAIM_BITS (64 + 32) /* of what is before the address */

struct bp_claim {
    __u64 cgroup;    /* id of the cgroup that the rule belongs to */
    __u64 connects;  /* redirected: connect(2), TCP and UDP */
    __u64 datagrams; /* redirected: sendto(2) and sendmsg(2) of unconnected UDP sockets */
    __u16 target;
    __u16 reserved[3];
};

/* Map `local_prefixes`, an LPM trie, written by user space: the local addresses of each network
 * namespace that has claims, and prefixes that are local as a whole (AnyIP). */
struct bp_local_key {
    __u32 length; /* of what follows, in bits */
    __u8 netns_cookie[8];
    __u8 address[16];
};
#define BP_LOCAL_BITS (64 + 128) /* of a whole key */

/* Map `orig_ports`, in clients' sockets, written by the programs: the ports that were given to connect()
 * or sendto(), and the target ports that replaced them. A datagram socket may have several peers; a new
 * entry replaces the oldest one. */
#define BP_ORIG_PORTS 4
struct bp_orig_ports {
    struct {
        __u16 orig; /* 0: none */
        __u16 target;
    } pairs[BP_ORIG_PORTS];
    __u16
        cgroup_target; /* written by the cgroup's own program in this call; the root cgroup's program,
                            which runs after it, then leaves the port alone */
    __u16 next;        /* index of the pair that is replaced next */
};

enum bp_guard_kind {
    BP_GUARD_USER = 1,   /* a target port: `uid` and root may bind it */
    BP_GUARD_CGROUP = 2, /* a target port: processes in `cgroup` and root may bind it */
    BP_GUARD_RESERVE = 3 /* a listen port: no process may bind it, root included */
};

struct bp_guard_key {
    __u64 netns_cookie;
    __u16 port;
    __u8 proto; /* enum bp_proto */
    __u8 reserved[5];
};

struct bp_guard {
    __u64 cgroup; /* id */
    __u64 denied; /* binds that were denied */
    __u64 netns;  /* inode, for status */
    __u32 uid;
    __u16
        level; /* depth of `cgroup` in the tree, for bpf_get_current_ancestor_cgroup_id; root: 0 */
    __u8 kind; /* enum bp_guard_kind */
    __u8 reserved;
};

/* local_clients/meta, guard/meta */
struct bp_root_meta {
    __u32 abi;
    __u32 reserved;
    __u64 build; /* hash of the objects that the programs came from */
};

#endif
