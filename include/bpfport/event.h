/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Events: records in a ring buffer (BPF_MAP_TYPE_RINGBUF, Linux 5.8), written while a trace runs.
 *
 * The lease turns events on: the reader writes an expiry time and renews it; 0 is off. A program reads
 * that word before it does anything for an event. The lease of a reader that was killed expires, and
 * the first program that finds it expired writes 0.
 */
#ifndef BPFPORT_EVENT_H
#define BPFPORT_EVENT_H

#include <linux/types.h>

/* X(ENUMERATOR, label, text) */
#define BP_EVENTS(X)                                                                               \
    X(CONNECTION, "connection", "redirected: a new connection")                                    \
    X(FLOW, "flow", "redirected: a new flow of datagrams, or one this host forwards")              \
    X(OUTCOME, "outcome", "what enum bp_outcome says")                                             \
    X(BIND, "bind", "bind: the program gave the listen port and got the target port")              \
    X(GRANTED, "granted", "bind: allowed without the capability")                                  \
    X(DENIED, "denied", "bind: denied, the port is kept for another")                              \
    X(CONNECT, "connect", "connect: sent to the target port")

enum bp_event_kind {
#define BP_ENUMERATOR(name, label, text) BP_EVENT_##name,
    BP_EVENTS(BP_ENUMERATOR)
#undef BP_ENUMERATOR
        BP_EVENT_KINDS,
};

/* A field that the event has no value for is 0. Addresses in network byte order, IPv4 as v4-mapped
 * IPv6 addresses. */
struct bp_event {
    __u64 time;    /* CLOCK_MONOTONIC, ns */
    __u64 cgroup;  /* cgroup events: id of the cgroup that the rule, grant or guard belongs to */
    __u32 ifindex; /* interface the program ran on; 0 in cgroup events */
    __u16 rule;    /* id in the rule table; cgroup events: index in the policy */
    __u8 kind;     /* enum bp_event_kind */
    __u8 outcome;  /* BP_EVENT_OUTCOME: enum bp_outcome */
    __u8 peer[16];
    __u8 local[16];
    __be16 peer_port;
    __be16 listen_port; /* port the client, or bind(), used */
    __be16 target_port; /* port it was redirected to */
    __u8 proto;         /* enum bp_proto */
    __u8 reserved;
    __u32 pid; /* cgroup events: process that made the system call, in the initial pid namespace */
    __u32 uid;
    char comm[16];
};

/* Written by the reader; a program writes 0 to `expires` when it is past. */
struct bp_trace_lease {
    __u64 expires; /* CLOCK_MONOTONIC, ns; 0: no trace runs */
    __u64 lost;    /* events dropped because the ring buffer was full, since the map was created */
};

#define BP_EVENT_BYTES (256 * 1024) /* size of the ring buffer: 2,700 events */

#endif
