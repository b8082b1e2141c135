/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Listeners of the sklookup engine: how they are kept, and how the loader asks for those that
 * listened before it came.
 */
#ifndef BPFPORT_LISTENER_H
#define BPFPORT_LISTENER_H

#include <linux/types.h>

#define BP_MAX_LISTENERS 4096
#define BP_LISTENER_SLOTS 128 /* members of a SO_REUSEPORT group that are kept; all are served */
#define BP_LISTENER_FIRST 4   /* slots that every look-up tries, so that most need no group entry */

#define BP_EEXIST 17 /* EEXIST, for programs */

/* In bp_rule.flags beside those of table.h: getsockname(2) of connections says the listen port. */
enum bp_sklookup_rule_flags {
    BP_RULE_SOCKNAME_LISTEN = 1 << 10,
};

/* The address a socket is bound to, as it says itself: 0.0.0.0 is ::ffff:0.0.0.0. */
struct bp_listener_key {
    __u8 address[16];
    __be16 port;
    __u8 proto; /* enum bp_proto */
    __u8 slot;
};

/* Follows 14 bytes of link-layer header in the packet that bp_find is run on. */
struct bp_find {
    __u8 address[16]; /* in: to look up; out: what the socket found is bound to */
    __be16 port;
    __be16 peer_port; /* varied until every member of a group has been met */
    __u8 proto;
    __u8 slot;  /* out: where it is kept */
    __u8 found; /* out: 1: a listener is there */
    __u8 reserved;
    __s32 error; /* out: why it can't be kept; 0: it is */
};

#endif
