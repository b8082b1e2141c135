/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The cgroup engine: the programs on the root cgroup, for local clients: programs in the same
 * network namespace that are not in the rule's cgroup.
 *
 * connect, sendmsg      to a local address and a listen port with a claim: becomes the target port
 * getpeername, recvmsg  say the listen port that the client gave
 *
 * A call to a port without a claim costs one load and is not changed.
 */
#include "lib/sock_addr.h"

const volatile bool bp_mptcp = true;

struct orig_port_map bp_orig_ports SEC(".maps");
struct local_prefix_map bp_local_prefix SEC(".maps");

struct bp_port_bitmap bp_port_bitmap SEC(".data.bitmap");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct bp_claim_key);
    __type(value, struct bp_claim);
} bp_claims SEC(".maps");

static __always_inline struct bp_claim* claim_on(const struct call* call, __u64 netns_cookie)
{
    struct bp_claim_key key = {
        .length = BP_CLAIM_BITS + 128, .port = call->port, .proto = call->proto};

    __builtin_memcpy(key.netns_cookie, &netns_cookie, sizeof(netns_cookie));
    copy_address(key.address, call->address);
    return bpf_map_lookup_elem(&bp_claims, &key);
}

/* On a connected AF_INET6 socket whose peer is v4-mapped, send() runs this hook with the peer's
 * address and the port that connect() was rewritten to. */
static __always_inline bool goes_to_peer(const struct bpf_sock* sk, const struct call* call)
{
    return READ(sk, state) == STATE_ESTABLISHED && READ(sk, dst_port) == bpf_htons(call->port);
}

static __always_inline int on_send(struct bpf_sock_addr* ctx, const struct call* call,
                                   bool datagram)
{
    struct call_event event = {.kind = BP_EVENT_CONNECT};
    struct bpf_sock* sk = READ(ctx, sk);
    struct bp_claim* claim;
    __u64 netns_cookie;

    if (!sk) return CALL_ALLOW;
    netns_cookie = bpf_get_netns_cookie(ctx);
    claim = claim_on(call, netns_cookie);
    if (!claim || !is_local(call, netns_cookie)) {
        if (!datagram || !goes_to_peer(sk, call)) orig_port_clear(sk, call->port);
        return CALL_ALLOW;
    }
    event.cgroup = claim->cgroup;
    event.listen = call->port;
    event.target = claim->target;
    if (!orig_port_store(sk, event.listen, event.target, false)) return CALL_ALLOW;
    write_port(ctx, event.target);
    if (datagram) {
        ATOMIC_ADD(&claim->datagrams, 1);
        return CALL_ALLOW;
    }
    ATOMIC_ADD(&claim->connects, 1);
    trace_call(call, &event);
    return CALL_ALLOW;
}

static __always_inline int on_name(struct bpf_sock_addr* ctx, const struct call* call)
{
    struct bpf_sock* sk = READ(ctx, sk);
    __u16 orig = sk ? orig_port_of(sk, call->port) : 0;

    /* A datagram of a remote peer may have the same port. */
    if (orig && is_local(call, bpf_get_netns_cookie(ctx))) write_port(ctx, orig);
    return CALL_ALLOW;
}

#define PROGRAM(section, name, read, then)                                                         \
    SEC(section) int name(struct bpf_sock_addr* ctx)                                               \
    {                                                                                              \
        struct call call = {};                                                                     \
                                                                                                   \
        return read(ctx, &call) && port_is_known(&call) ? then : CALL_ALLOW;                       \
    }

PROGRAM("cgroup/connect4", bp_lc_connect4, read_call4, on_send(ctx, &call, false))
PROGRAM("cgroup/connect6", bp_lc_connect6, read_call6, on_send(ctx, &call, false))
PROGRAM("cgroup/sendmsg4", bp_lc_sendmsg4, read_call4, on_send(ctx, &call, true))
PROGRAM("cgroup/sendmsg6", bp_lc_sendmsg6, read_call6, on_send(ctx, &call, true))
PROGRAM("cgroup/recvmsg4", bp_lc_recvmsg4, read_call4, on_name(ctx, &call))
PROGRAM("cgroup/recvmsg6", bp_lc_recvmsg6, read_call6, on_name(ctx, &call))
PROGRAM("cgroup/getpeername4", bp_lc_peername4, read_call4, on_name(ctx, &call))
PROGRAM("cgroup/getpeername6", bp_lc_peername6, read_call6, on_name(ctx, &call))

char LICENSE[] SEC("license") = "Dual BSD/GPL";
