/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Listeners of the sklookup engine (Linux 5.15): the key that a socket is stored by, and the packet with
 * which user space finds sockets that listened before the programs were attached.
 */
#ifndef BPFPORT_LISTENER_H
#define BPFPORT_LISTENER_H

#include <linux/types.h>

#define BP_MAX_LISTENERS 4096
#define BP_GROUP_MEMBERS 128 /* members of a SO_REUSEPORT group that are stored; all are served */
#define BP_GROUP_FIRST 4 /* members that every look-up tries; only a larger group has an entry */

#define BP_EEXIST 17 /* EEXIST, for programs */

/* A scope of the set bp_table.exclusive besides those of --exclusive rules: or-ed to a target port that
 * serves some local addresses only. What that set says of an address then: */
enum bp_steered_scope {
    BP_SCOPE_STEERED = 0xc0000000,
    BP_STEERED_SERVED = 1,
    BP_STEERED_NOT_SERVED = 2,
};

/* In bp_rule.flags beside those of table.h: getsockname(2) of connections says the listen port. */
enum bp_sklookup_rule_flags {
    BP_RULE_SOCKNAME_LISTEN = 1 << 10,
};

/* Map `listeners`. The address that the socket is bound to, in network byte order, IPv4 as a v4-mapped
 * IPv6 address: 0.0.0.0 is ::ffff:0.0.0.0. */
struct bp_listener_key {
    __u8 address[16];
    __be16 port;
    __u8 proto;  /* enum bp_proto */
    __u8 member; /* index in the SO_REUSEPORT group, below BP_GROUP_MEMBERS */
};

/* Follows 14 bytes of link-layer header in the packet that user space runs bp_find on. */
struct bp_find {
    __u8 address[16]; /* in: destination address; out: address that the socket is bound to */
    __be16 port;
    __be16 peer_port; /* source port: varied until each member of a group was selected */
    __u8 proto;
    __u8 member; /* out: the member that it is stored as */
    __u8 found;  /* out: 1: a listener is there */
    __u8 reserved;
    __s32 error; /* out: 0, or the negative error number of storing it */
};

#endif
