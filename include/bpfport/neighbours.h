/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Neighbours: what the programs on the root cgroup know. Those run for every program of the
 * machine, so a bit for each port tells nearly all calls at once that they are not meant.
 *
 * claims   connects of neighbours to a cgroup's listen port go to its target port (neighbours/)
 * guards   a port that only its owner may bind (guard/)
 *
 * Both hold in one network namespace, named by its cookie. Ports in host byte order.
 */
#ifndef BPFPORT_NEIGHBOURS_H
#define BPFPORT_NEIGHBOURS_H

#include <linux/types.h>

#include "bpfport/table.h"

/* A global in both objects: ports that may have an entry in any network namespace. */
struct bp_ports {
    __u64 bits[BP_PROTOS][65536 / 64];
};

struct bp_claim_key {
    __u64 netns_cookie;
    __u8 address[16]; /* all zero: every local address */
    __u16 port;       /* listen port */
    __u8 proto;
    __u8 reserved[5];
};

struct bp_claim {
    __u64 cgroup; /* whose server gets it */
    __u64 connects;
    __u64 datagrams;
    __u16 target;
    __u16 reserved[3];
};

/* Map `local_prefixes`, a trie: what is local in each network namespace that has claims, by its
 * routing: addresses, and prefixes that are local as a whole (AnyIP). */
struct bp_local_key {
    __u32 length; /* of the rest, in bits */
    __u8 netns_cookie[8];
    __u8 address[16];
};
#define BP_LOCAL_BITS (64 + 128) /* of a whole key */

/* Map `asked`, in clients' sockets: the ports that they asked for, and where those went in truth.
 * A datagram socket may talk to several; the one asked for longest ago is forgotten first. */
#define BP_ASKED_PAIRS 4
struct bp_asked {
    struct {
        __u16 asked; /* 0: free */
        __u16 target;
    } pairs[BP_ASKED_PAIRS];
    __u16 fresh; /* the target a cgroup's program has just written, for the root's to leave alone */
    __u16 next;  /* the pair to be overwritten next */
};

enum bp_guard_kind {
    BP_GUARD_USER = 1,   /* a target port: for `uid` and root */
    BP_GUARD_CGROUP = 2, /* a target port: for processes in `cgroup`, and root */
    BP_GUARD_RESERVE = 3 /* a listen port: for nobody, root included */
};

struct bp_guard_key {
    __u64 netns_cookie;
    __u16 port;
    __u8 proto;
    __u8 reserved[5];
};

struct bp_guard {
    __u64 cgroup;
    __u64 denied;
    __u64 netns; /* inode, for status */
    __u32 uid;
    __u16 level; /* of the cgroup: how deep it lies; the root has 0 */
    __u8 kind;
    __u8 reserved;
};

/* neighbours/meta, guard/meta */
struct bp_root_meta {
    __u32 abi;
    __u32 reserved;
    __u64 build; /* hash of the objects the programs came from */
};

#endif
