/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Cookies: under a flood (or with tcp_syncookies=2) the kernel answers SYNs without remembering them,
 * so no socket shows that a handshake is under way, and a stranger's SYN to the listen port leaves a
 * hint for a tuple that a direct client is about to connect with. The acknowledgement that ends the
 * handshake tells: it goes to the target port itself, where nobody has the tuple yet, and so ends
 * the hint. Segments that go straight to a target port are looked at for as long as cookies may come
 * back, and never else.
 */
#ifndef BPFPORT_LIB_COOKIES_H
#define BPFPORT_LIB_COOKIES_H

#include "lib/flows.h"

/* The tick of the last cookie, and COOKIE_SENT. Reading an array of one is no call. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} bp_cookies SEC(".maps");

#define COOKIE_SENT 0x10000

static __always_inline bool cookies_in_use(void)
{
    __u32 zero = 0;
    __u32* last = bpf_map_lookup_elem(&bp_cookies, &zero);

    return last && *last && (__u16)(tick() - *last) < IDLE_TICKS;
}

/* A TCP packet of this host without a socket, not even a handshake's, is a SYN-ACK with a cookie. */
static __always_inline void cookie_sent(void)
{
    __u32 zero = 0, now = COOKIE_SENT | tick();
    __u32* last = bpf_map_lookup_elem(&bp_cookies, &zero);

    if (last && *last != now) *last = now;
}

#endif
