/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Events: what happens now, one record in a ring buffer for each, while somebody watches.
 *
 * A watcher takes a lease: he writes the time until which he wants events and renews it. Programs
 * test that word before they do anything; it is 0 when nobody watches. A watcher that was killed
 * leaves a lease that ends, and the first program to meet an ended one puts the word back to 0, so
 * nothing is paid for a dead watcher.
 */
#ifndef BPFPORT_EVENT_H
#define BPFPORT_EVENT_H

#include <linux/types.h>

/* X(ENUMERATOR, label, what happened) */
#define BP_EVENTS(X)                                                                               \
    X(CONNECTION, "connection", "redirected: a new connection")                                    \
    X(FLOW, "flow", "redirected: a new flow of datagrams, or one this host forwards")              \
    X(OUTCOME, "outcome", "what enum bp_outcome says")                                             \
    X(BIND, "bind", "bind: the program asked for the listen port and got the target port")         \
    X(GRANTED, "granted", "bind: allowed without the capability")                                  \
    X(DENIED, "denied", "bind: denied, the port is kept for another")                              \
    X(CONNECT, "connect", "connect: sent to the target port")

enum bp_event_kind {
#define BP_ENUMERATOR(name, label, text) BP_EVENT_##name,
    BP_EVENTS(BP_ENUMERATOR)
#undef BP_ENUMERATOR
        BP_EVENT_KINDS,
};

/* Fields that an event doesn't know are zero. Addresses in network order, IPv4 as v4-mapped. */
struct bp_event {
    __u64 time;   /* CLOCK_MONOTONIC, ns */
    __u64 cgroup; /* id of the cgroup whose attachment did it; cgroup events only */
    __u32 ifindex;
    __u16 rule;   /* id in the rule table */
    __u8 kind;    /* enum bp_event_kind */
    __u8 outcome; /* enum bp_outcome, of BP_EVENT_OUTCOME */
    __u8 peer[16];
    __u8 local[16];
    __be16 peer_port;
    __be16 listen_port; /* asked for */
    __be16 target_port; /* where it goes */
    __u8 proto;         /* enum bp_proto */
    __u8 reserved;
    __u32 pid; /* cgroup events: whose system call it was */
    __u32 uid;
    char comm[16];
};

/* The lease. Written by the watcher, taken away by programs when it has ended. */
struct bp_watch {
    __u64 until; /* CLOCK_MONOTONIC, ns; 0: nobody watches */
    __u64 lost;  /* events that found the ring buffer full, since ever */
};

#define BP_EVENT_BYTES (256 * 1024) /* of the ring buffer: 2,700 events */

#endif
