/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The cgroup engine: the programs on the cgroup itself. They run for sockets that its processes
 * created (or processes in cgroups below it), even after a process has moved to another cgroup.
 *
 * bind        80 becomes 3000; or 80 is allowed without CAP_NET_BIND_SERVICE
 * post_bind   bind has succeeded: count it, write an event
 * getsockname says 80
 * connect     to 80 of the cgroup's own clients: becomes 3000
 * sendmsg     the same for datagrams
 */
#include "lib/policy.h"
#include "lib/sock_addr.h"

const volatile bool bp_mptcp = true;

struct orig_port_map bp_orig_ports SEC(".maps");
struct local_prefix_map bp_local_prefix SEC(".maps");
struct sockname_set_map bp_sockname_set SEC(".maps");

/* BPF_F_CLONE: accepted sockets inherit the value of their listener. */
struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
    __type(key, int);
    __type(value, struct bp_bound);
} bp_bound SEC(".maps");

/* From bind to post_bind of one call: the rule and the grant that apply, 0: none, and the ports in
 * host byte order. */
struct pending {
    __u16 rule;  /* the index of its counters plus one */
    __u16 grant; /* its id */
    __u16 orig;
    __u16 bound;
};

struct {
    __uint(type, BPF_MAP_TYPE_SK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct pending);
} bp_pending SEC(".maps");

/* A program may allow low ports (Linux 5.12); before, the verifier refuses a return value of 3. */
const volatile bool bp_can_grant = true;

static __always_inline bool bound_store(struct bpf_sock* sk, struct bp_bound value)
{
    struct bp_bound* bound = bpf_sk_storage_get(&bp_bound, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    struct mptcp_sock* whole;

    if (!bound) return false;
    *bound = value;
    whole = mptcp_of(sk);
    if (!whole) return true;
    bound = bpf_sk_storage_get(&bp_bound, whole, 0, BPF_SK_STORAGE_GET_F_CREATE);
    if (bound) *bound = value;
    return true;
}

/* A bind that was rewritten may have failed, and the socket is bound to another port now. */
static __always_inline void bound_clear(struct bpf_sock* sk)
{
    struct bp_bound* bound = bpf_sk_storage_get(&bp_bound, sk, 0, 0);
    struct mptcp_sock* whole;

    if (!bound) return;
    bound->target = 0;
    whole = mptcp_of(sk);
    if (!whole) return;
    bound = bpf_sk_storage_get(&bp_bound, whole, 0, 0);
    if (bound) bound->target = 0;
}

static __always_inline void pending_write(struct bpf_sock* sk, struct pending value)
{
    bool wanted = value.rule || value.grant;
    struct pending* pending =
        bpf_sk_storage_get(&bp_pending, sk, 0, wanted ? BPF_SK_STORAGE_GET_F_CREATE : 0);

    if (pending) *pending = value;
}

static __always_inline int on_bind(struct bpf_sock_addr* ctx, const struct call* call)
{
    const struct bp_policy_side* side = policy_side();
    struct bpf_sock* sk = READ(ctx, sk);
    struct pending pending = {.orig = call->port, .bound = call->port};
    __u16 rule;

    if (!sk) return CALL_ALLOW;
    if (!call->port) { /* the kernel chooses the port */
        bound_clear(sk);
        pending_write(sk, (struct pending){});
        return CALL_ALLOW;
    }
    rule = policy_rule(side, call, bpf_get_netns_cookie(ctx), FOR_BIND);
    if (rule) {
        __u16 target = policy_target(side, rule, call->port);

        /* No memory: the socket is bound to the port it gave. */
        if (bound_store(sk, (struct bp_bound){call->port, target})) {
            write_port(ctx, target);
            pending.bound = target;
            pending.rule = policy_rule_of(side, rule)->counter + 1;
        }
    } else {
        bound_clear(sk);
    }
    if (bp_can_grant) pending.grant = policy_grant(side, call->proto, pending.bound);
    pending_write(sk, pending);
    return bp_can_grant && pending.grant ? CALL_ALLOW_LOW_PORT : CALL_ALLOW;
}

static __always_inline int on_post_bind(struct bpf_sock* sk, struct call* call)
{
    struct pending* pending = bpf_sk_storage_get(&bp_pending, sk, 0, 0);
    struct call_event event = {.cgroup = bp_policy.cgroup};

    if (!pending || !(pending->rule || pending->grant)) return CALL_ALLOW;
    read_proto(READ(sk, protocol), &call->proto);
    event.listen = pending->orig;
    event.target = pending->bound;
    if (pending->rule) {
        policy_count(pending->rule - 1, COUNT_BIND);
        event.kind = BP_EVENT_BIND;
        event.rule = pending->rule - 1;
        trace_call(call, &event);
    }
    if (pending->grant) {
        policy_count(BP_POLICY_RULES + pending->grant - 1, COUNT_BIND);
        event.kind = BP_EVENT_GRANTED;
        event.rule = pending->grant - 1;
        trace_call(call, &event);
    }
    pending->rule = 0;
    pending->grant = 0;
    return CALL_ALLOW;
}

static __always_inline int on_getsockname(struct bpf_sock_addr* ctx, const struct call* call)
{
    struct bpf_sock* sk = READ(ctx, sk);
    struct bp_bound* bound;

    if (!sk) return CALL_ALLOW;
    bound = bpf_sk_storage_get(&bp_bound, sk, 0, 0);
    if (!bound || !call->port) return CALL_ALLOW;
    if (bound->target == call->port)
        write_port(ctx, bound->listen);
    else if (bound->listen == call->port) /* a connection that the sklookup engine steered */
        bpf_sk_storage_get(&bp_sockname_set, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
    return CALL_ALLOW;
}

/* connect and sendmsg of the cgroup's own clients. */
static __always_inline int on_send(struct bpf_sock_addr* ctx, const struct call* call,
                                   enum policy_count count)
{
    const struct bp_policy_side* side = policy_side();
    struct bpf_sock* sk = READ(ctx, sk);
    struct call_event event = {.cgroup = bp_policy.cgroup, .kind = BP_EVENT_CONNECT};
    __u64 netns_cookie;
    __u16 rule;

    if (!sk || !call->port || !policy_has_port(side, call->port)) return CALL_ALLOW;
    netns_cookie = bpf_get_netns_cookie(ctx);
    rule = policy_rule(side, call, netns_cookie, FOR_CONNECT);
    if (!rule || !is_local(call, netns_cookie)) return CALL_ALLOW;
    event.listen = call->port;
    event.target = policy_target(side, rule, call->port);
    if (!orig_port_store(sk, event.listen, event.target, true)) return CALL_ALLOW;
    write_port(ctx, event.target);
    event.rule = policy_rule_of(side, rule)->counter;
    policy_count(event.rule, count);
    if (count == COUNT_CONNECT) trace_call(call, &event);
    return CALL_ALLOW;
}

#define PROGRAM(section, name, read, then)                                                         \
    SEC(section) int name(struct bpf_sock_addr* ctx)                                               \
    {                                                                                              \
        struct call call = {};                                                                     \
                                                                                                   \
        return read(ctx, &call) ? then : CALL_ALLOW;                                               \
    }

PROGRAM("cgroup/bind4", bp_bind4, read_call4, on_bind(ctx, &call))
PROGRAM("cgroup/bind6", bp_bind6, read_call6, on_bind(ctx, &call))
PROGRAM("cgroup/getsockname4", bp_sockname4, read_call4, on_getsockname(ctx, &call))
PROGRAM("cgroup/getsockname6", bp_sockname6, read_call6, on_getsockname(ctx, &call))
PROGRAM("cgroup/connect4", bp_connect4, read_call4, on_send(ctx, &call, COUNT_CONNECT))
PROGRAM("cgroup/connect6", bp_connect6, read_call6, on_send(ctx, &call, COUNT_CONNECT))
PROGRAM("cgroup/sendmsg4", bp_sendmsg4, read_call4, on_send(ctx, &call, COUNT_DATAGRAM))
PROGRAM("cgroup/sendmsg6", bp_sendmsg6, read_call6, on_send(ctx, &call, COUNT_DATAGRAM))

SEC("cgroup/post_bind4") int bp_post_bind4(struct bpf_sock* sk)
{
    struct call call = {};

    map_v4(call.address, READ(sk, src_ip4));
    return on_post_bind(sk, &call);
}

SEC("cgroup/post_bind6") int bp_post_bind6(struct bpf_sock* sk)
{
    struct call call = {};

    READ_ADDRESS(call.address, sk, src_ip6);
    return on_post_bind(sk, &call);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
