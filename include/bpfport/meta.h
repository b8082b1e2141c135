/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Meta: map `meta` of each directory in the store, an array of one entry, written by user space when the
 * directory is created. Names of directories are numbers, since bpffs allows no '.' in a name; the
 * readable names are here. `abi` comes first in each struct.
 */
#ifndef BPFPORT_META_H
#define BPFPORT_META_H

#include <linux/types.h>

/* Raised when a shared struct, a map's type or size, or a pin's name changes. A directory of another
 * ABI is reported and left as it is; `detach --all` removes it. */
#define BP_ABI 9

enum bp_engine {
    BP_ENGINE_TC = 1,
    BP_ENGINE_XDP = 2,
    BP_ENGINE_SKLOOKUP = 3,
    BP_ENGINE_CGROUP = 4,
};

enum bp_hook {
    BP_HOOK_TCX = 1,    /* pinned links, Linux 6.6 */
    BP_HOOK_CLSACT = 2, /* filters with the handle and priorities of bp_attachment_meta */
};

enum bp_xdp_mode {
    BP_XDP_NONE = 0,
    BP_XDP_NATIVE = 1,  /* in the driver */
    BP_XDP_GENERIC = 2, /* in the stack, after the kernel has made an skb */
};

/* netns-<inode>/meta */
struct bp_netns_meta {
    __u32 abi;
    __u32 direct_write; /* 1: programs of tc_direct, 0: of tc_helper */
    __u64 build;        /* hash of the object that the programs came from */
    __u64 netns_cookie; /* 0: the kernel doesn't tell it (before 5.14) */
    __u64 netns_inode;
};

/* tc-<netns inode>-<ifindex>/meta */
struct bp_attachment_meta {
    __u32 abi;
    __u32 hook; /* enum bp_hook */
    __u32 ifindex;
    __u32 handle; /* clsact: the filters' handle and priorities */
    __u32 ingress_priority;
    __u32 egress_priority;
    __u64 created; /* seconds since 1970 */
    char ifname[16];
    __u8 xdp_address[6]; /* link-layer address that the XDP program compares destinations with */
    __u8 xdp_mode;       /* enum bp_xdp_mode: how the XDP link was created */
    __u8 reserved;
};

/* sklookup-<netns inode>/meta */
struct bp_sklookup_meta {
    __u32 abi;
    __u32 has_ifindex; /* 1: bpf_sk_lookup has ingress_ifindex (Linux 5.17) */
    __u64 build;       /* hash of the object that the programs came from */
    __u64 netns_cookie;
    __u64 cgroup; /* id of the cgroup that the sockops program is attached to: the root */
};

#endif
