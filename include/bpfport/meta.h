/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Meta: the little that a bpffs directory can't say of itself. Map `meta`, an array of one.
 * Names in bpffs are numbers (no '.' is allowed there); the readable ones are here.
 */
#ifndef BPFPORT_META_H
#define BPFPORT_META_H

#include <linux/types.h>

/* Raised when a shared struct or a map's shape changes: an older state is then refused, not misread. */
#define BP_ABI 2

enum bp_engine {
    BP_ENGINE_TC = 1,
    BP_ENGINE_XDP = 2,
    BP_ENGINE_SKLOOKUP = 3,
    BP_ENGINE_CGROUP = 4,
};

enum bp_hook {
    BP_HOOK_TCX = 1,    /* pinned links, 6.6+ */
    BP_HOOK_CLSACT = 2, /* filters with the handle and priority below */
};

enum bp_xdp_mode {
    BP_XDP_NONE = 0,
    BP_XDP_NATIVE = 1,  /* in the driver */
    BP_XDP_GENERIC = 2, /* in the stack, after the kernel has made an skb */
};

/* netns-<inode>/meta */
struct bp_netns_meta {
    __u32 abi;
    __u32 direct_write; /* 1: programs of the fast object, 0: of the helper object */
    __u64 build;        /* hash of the object the programs came from */
    __u64 netns_cookie; /* 0 where it could not be learnt */
    __u64 netns_inode;
};

/* tc-<netns inode>-<ifindex>/meta */
struct bp_attachment_meta {
    __u32 abi;
    __u32 hook; /* enum bp_hook */
    __u32 ifindex;
    __u32 handle;           /* clsact: the filter's handle ... */
    __u32 ingress_priority; /* ... and priorities */
    __u32 egress_priority;
    __u64 created; /* seconds since 1970 */
    char ifname[16];
    __u8 xdp_address[6]; /* the link-layer address the XDP program compares with ... */
    __u8 xdp_mode;       /* enum bp_xdp_mode: ... and how its link, when there is one, was made */
    __u8 reserved;
};

/* sklookup-<netns inode>/meta */
struct bp_sklookup_meta {
    __u32 abi;
    __u32 has_ifindex; /* 1: the kernel tells the interface (5.17+) */
    __u64 build;       /* hash of the object the programs came from */
    __u64 netns_cookie;
    __u64 cgroup; /* id of the cgroup below which listeners are noticed: the root */
};

#endif
