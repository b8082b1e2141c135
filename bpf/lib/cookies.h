/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * SYN cookies: in a SYN flood (or with tcp_syncookies=2) the kernel answers SYNs without a
 * request_sock, so no socket shows that a handshake is in progress. A spoofed SYN to the listen
 * port then leaves a hint for a tuple that a direct client is about to connect with. The
 * acknowledgement that ends the handshake goes to the target port, where no socket has the tuple
 * yet: it deletes the hint (bp_end_hint). Segments straight to a target port are checked only for
 * as long as a cookie may be returned.
 */
#ifndef BPFPORT_LIB_COOKIES_H
#define BPFPORT_LIB_COOKIES_H

#include "lib/flows.h"

/* The tick of the last cookie, and COOKIE_SENT. The look-up in an array is inlined: no call. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} bp_cookies SEC(".maps");

#define COOKIE_SENT 0x10000

/* Whether an acknowledgement may return a cookie. */
static __always_inline bool cookies_in_use(void)
{
    __u32 zero = 0;
    __u32* last = bpf_map_lookup_elem(&bp_cookies, &zero);

    return last && *last && (__u16)(tick() - *last) < IDLE_TICKS;
}

/* To be called for a TCP packet of this host that has no socket, not even a request_sock: it is a
 * SYN-ACK with a cookie. */
static __always_inline void cookie_sent(void)
{
    __u32 zero = 0, now = COOKIE_SENT | tick();
    __u32* last = bpf_map_lookup_elem(&bp_cookies, &zero);

    if (last && *last != now) *last = now;
}

#endif
