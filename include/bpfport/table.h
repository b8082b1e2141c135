/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The rule table: written by the loader, read by the programs. One for each network namespace.
 *
 * Three memory-mapped array maps (Linux 5.5), which a program reads without a helper call:
 *
 *   table   an entry for each port, so that a packet to a port without a rule costs two loads. It is a
 *           global variable.
 *   rules   by id
 *   spans   which rule covers an address, for ports that more rules share; which clients a rule is for
 *
 * Each has two sides: the loader writes the side that is not in force and then increments `flips` with
 * one store. Thus any change, of one rule or of thousands, takes effect at once, and a loader that is
 * killed leaves the old side in force. `rules` and `spans` have the size that the rules need: for more
 * the loader makes larger ones, with the same content, and loads the programs again over those.
 *
 * Ports are in host byte order, since ranges need arithmetic. Addresses are in network byte order, IPv4
 * as v4-mapped IPv6 addresses (::ffff:a.b.c.d).
 */
#ifndef BPFPORT_TABLE_H
#define BPFPORT_TABLE_H

#include <linux/types.h>

#include "bpfport/event.h"

enum bp_proto {
    BP_TCP = 0,
    BP_UDP = 1,
    BP_PROTOS = 2,
};

/* Ids of rules begin with 1; 0 is none. */
#define BP_MAX_RULES 65536
/* What the maps are made for at least: ids, and spans of a side. Powers of two. */
#define BP_MIN_RULES 512
#define BP_MIN_SPANS 1024
#define BP_MAX_SPANS (1 << 22)

/* A port's entry: the rule that has it as a listen port, and flags. */
#define BP_PORT_LISTEN 0x003fffff    /* BP_PORT_SEARCH: index of a set; else id of the only rule */
#define BP_PORT_SEARCH 0x00800000    /* several rules, or rules with an address */
#define BP_PORT_TARGET 0x80000000    /* target port of a rule: packets from it may be replies */
#define BP_PORT_EXCLUSIVE 0x40000000 /* target of an --exclusive rule: direct clients get a reset */
#define BP_PORT_EXCLUSIVE_DROP 0x20000000 /* the same: packets of direct clients are dropped */
#define BP_PORT_ANY_EXCLUSIVE (BP_PORT_EXCLUSIVE | BP_PORT_EXCLUSIVE_DROP)
#define BP_PORT_FORWARDED                                                                          \
    0x10000000                     /* target of a --forwarded rule: replies may be forwarded ones */
#define BP_PORT_STEERED 0x08000000 /* target of a sklookup rule: its listeners are stored */
#define BP_PORT_FALLBACK 0x04000000 /* listen port of sklookup rules only: tc is their fallback */

enum bp_on_absent {
    BP_ABSENT_RESET = 0, /* redirected: the kernel answers with its own RST or ICMP error */
    BP_ABSENT_DROP = 1,  /* dropped */
    BP_ABSENT_PASS = 2,  /* left alone, as if there were no rule */
    BP_ABSENT_NEXT =
        3, /* redirected to the next target of the listen port that has a listener, if any */
};

enum bp_rule_flags {
    BP_RULE_NO_LOCAL = 1 << 0,  /* local clients are not served: on lo the rule doesn't match */
    BP_RULE_FORWARDED = 1 << 1, /* packets that this host forwards are redirected too */
    BP_RULE_VLAN = 1 << 2,      /* frames with a VLAN tag are redirected too */
    BP_RULE_DRAINING = 1 << 3,  /* recorded connections continue; new ones are left alone */
    BP_RULE_EXCLUSIVE = 1 << 4, /* tc and xdp read BP_PORT_EXCLUSIVE* of the target instead */
    BP_RULE_ADDRESS = 1 << 5,   /* `address` and `prefix` are set: only packets to it match */
    BP_RULE_RECHECK = 1 << 6,   /* a SYN or datagram is admitted anew even if its flow is known */
    BP_RULE_FALLBACK = 1 << 7,  /* sklookup: tc is attached too, and serves what sk_lookup can't */
    BP_RULE_TC_FLOWS = 1 << 8,  /* sklookup: connections that tc has redirected before continue */
    BP_RULE_XDP_GENERIC = 1 << 9,   /* xdp: generic XDP is accepted */
    BP_RULE_ONE_TARGET = 1 << 11,   /* all listen ports go to target_first */
    BP_RULE_ORIGINAL_DST = 1 << 12, /* getsockopt(SO_ORIGINAL_DST) says the listen port */
    BP_RULE_WEIGHT = 1 << 13, /* `weight` is set: other rules may have the same listen ports */
};

/* What listens on a TCP port, as sklookup knows it. Which connections tc serves as its fallback, since
 * sk_lookup can't select the listener: */
enum bp_fallback {
    BP_FALLBACK_ALL = 1 << 0,
    BP_FALLBACK_LOOPBACK = 1 << 1, /* to loopback addresses: the listener is bound to one */
};
#define BP_ANY_FALLBACK (BP_FALLBACK_ALL | BP_FALLBACK_LOOPBACK)
/* Of which kind the listeners in map `listeners` are, or once were: no other is searched for. A bit is set
 * before the listener is stored, and stays. */
enum bp_listener_kind {
    BP_LISTENER_ADDRESS = 1 << 2, /* bound to an address */
    BP_LISTENER_ANY_V4 = 1 << 3,  /* to 0.0.0.0 */
    BP_LISTENER_ANY_V6 = 1 << 4,  /* to ::, with or without IPV6_V6ONLY */
    BP_LISTENER_GROUP = 1 << 5,   /* map `groups` has an entry */
};

struct bp_rule {
    __u8 address[16];   /* local address of the rule, its bits behind `prefix` zero */
    __u32 ifindex;      /* interface of the rule; 0: every interface of the network namespace */
    __u16 listen_first; /* listen_first..listen_last map one to one to target_first.. (but see
                           BP_RULE_ONE_TARGET); 0: free */
    __u16 listen_last;
    __u16 target_first;
    __u16
        old_target_first; /* target before the last change, for connections older than it; 0: none */
    __u8 proto;           /* enum bp_proto */
    __u8 on_absent;       /* enum bp_on_absent */
    __u16 flags;          /* enum bp_rule_flags */
    __u8 prefix;          /* bits of `address`, up to 128: IPv4's own length and 96 */
    __u8 engine;          /* enum bp_engine (meta.h) that serves it */
    __u16 weight;
    __u32 clients; /* index in `spans` of the clients that it is for; 0: all */
    __u32 shares;  /* index in `spans` of it and those that share its listen ports; 0: none does */
    __u32 reserved;
};

/* The index of a rule in map `rules`. */
#define BP_RULE_INDEX(side, id) (2 * (id) + (side))

/*
 * A list of spans is sorted by `first`, and each goes up to where the next one begins: the search is one of
 * 64-bit numbers by halves. A long list, whose length is given with BP_SPAN_INDEXED, is followed by an index: a
 * span whose `first` is that of the list's second span, and `count` spans, a bucket each for the numbers from
 * there on that are the same when shifted right by `rule`. A bucket says where in the list its numbers are found:
 * among `count` spans from index `rule` on. Numbers behind the last bucket are in it. Where these are still many,
 * `count` has BP_SPAN_INDEXED, and `first` is the index of an index of them, up to BP_INDEX_LEVELS in all.
 *
 * A list of addresses has the more significant half of addresses in `first`, and says in `rule` which rule
 * covers them. Where addresses with the same such half differ, `rule` has BP_SPAN_LOW: a list of the less
 * significant halves, `count` long, tells. So all IPv4 addresses are in one list of the second kind. The
 * first span of each begins with 0.
 *
 * A set is a span whose `count` says how many scopes it has, followed by a span for each scope: `first` is
 * the scope, `rule` the index of the list of its addresses and `count` the length of that list.
 *
 * Where rules for some clients only cover an address, `rule` has BP_SPAN_CLIENTS, and a list of the
 * addresses of clients, `count` long, tells which of the rules it is.
 *
 * Rules that share new connections by weight are a span, followed by one for each of them, whose number
 * is `rule`. Those that get any come first, `count` of them, sorted by `first`: the lowest
 * bp_share_hash() of the connections that the rule gets. `rule` is its id. Where they cover an address,
 * or a client, `rule` there is the index of that first span with BP_SPAN_SHARES.
 *
 * The clients of one rule are a span, followed by two for each prefix as it was written (`first` the halves
 * of the address, `count` the length, `rule` 1: taken out), whose number is `rule`, followed by a list of the
 * addresses of clients, `count` long, whose `rule` is 1 where the rule is for the client.
 */
struct bp_span {
    __u64 first; /* in host byte order */
    __u32 rule;  /* id of the rule that covers the addresses; 0: none; or BP_SPAN_* */
    __u32 count;
};

#define BP_SPAN_CLIENTS 0x80000000 /* the rest is the index of a list of clients' addresses */
#define BP_SPAN_SHARES 0x40000000  /* the rest is the index of rules that share by weight */
#define BP_SPAN_LOW 0x20000000     /* the rest is the index of a list of less significant halves */
#define BP_SPAN_INDEXED 0x80000000 /* of a length: the list has an index */
#define BP_INDEX_LEVELS 3
#define BP_MAX_SHARES 16 /* rules that share one listen port by weight, at most */

/* The index of a span in its side of map `spans`, whose one value has twice `spans` of them. */
#define BP_SPAN_INDEX(side, spans, at) ((side) * (spans) + (at))
#define BP_SEARCH_STEPS 23 /* of a list as long as BP_MAX_SPANS */

/* Where a packet comes from, as sets know it: the interface that it arrived on, or one of these. */
enum bp_scope {
    BP_SCOPE_ANY = 0,                /* rules for every interface */
    BP_SCOPE_LOCAL = 0x80000000,     /* or-ed: local clients of that interface's addresses */
    BP_SCOPE_LOCAL_ALL = 0xffffffff, /* local clients of other addresses: rules of all interfaces */
};

struct bp_table {
    __u32 flips;                 /* changes so far; bit 0 is the index of the side in force */
    __u32 last_id;               /* id of the newest rule; for the loader */
    struct bp_trace_lease lease; /* turns events on (event.h) */
    /* By side: the set of target ports of --exclusive rules: its "addresses" are
     * BP_EXCLUSIVE_KEY. Other scopes of it: listener.h. */
    __u32 exclusive[2];
    /* Not flipped. 1: tc has a part in some rule, or had one: once set, it stays. 0: its programs leave
     * every packet alone. */
    __u32 tc_used;
    __u32 ports[2][BP_PROTOS][65536]; /* by side, and by port in host byte order: BP_PORT_* */
    /* Not flipped. The listeners of TCP ports: a program sets bits when a socket begins to listen, the loader
     * clears those of enum bp_fallback when the socket is gone. */
    __u32 fallback_active; /* 1: some byte of `listeners` has a bit of enum bp_fallback, or had */
    __u8 listeners[65536]; /* enum bp_fallback, bp_listener_kind, by port in host byte order */
};

/* Which of the rules that share a listen port gets a new connection or flow: a number that every engine
 * computes of the addresses, in network byte order and four words each, and the client's port. A SYN that is
 * sent again thus has the same. Multiplication and shifts spread neighbouring addresses and ports over all
 * 32 bits. */
static inline __u32 bp_share_hash(const __u32* peer, const __u32* local, __u16 peer_port) {
    __u64 hash = peer_port;
    int i;

    for (i = 0; i < 4; i++) {
        hash = (hash ^ peer[i]) * 0x9e3779b97f4a7c15ULL;
        hash ^= hash >> 32;
        hash = (hash ^ local[i]) * 0xd6e8feb86659fd93ULL;
        hash ^= hash >> 32;
    }
    return hash;
}

#define BP_EXCLUSIVE_KEY(proto, port) ((__u64)(proto) << 16 | (port))

#endif
