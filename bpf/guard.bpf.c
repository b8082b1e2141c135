/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The guard: bind hooks on the root cgroup. Only the owner and root may bind a guarded target port,
 * so that no other program receives the traffic of a stopped service; no process may bind a
 * reserved listen port. A denied bind fails with EACCES, before Linux 5.18 with EPERM.
 *
 * The programs of the socket's own cgroup run first, so this one sees the port that a rule has set.
 */
#include "lib/sock_addr.h"

struct bp_port_bitmap bp_port_bitmap SEC(".data.bitmap");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 65536);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct bp_guard_key);
    __type(value, struct bp_guard);
} bp_guards SEC(".maps");

/* A program can set the error number (bpf_set_retval, Linux 5.18). */
const volatile bool bp_has_set_retval = true;

#define ERROR_ACCESS 13 /* EACCES */

static __always_inline bool may_bind(const struct bp_guard* guard)
{
    __u32 uid = (__u32)bpf_get_current_uid_gid();

    if (guard->kind == BP_GUARD_RESERVE) return false;
    if (!uid) return true;
    if (guard->kind == BP_GUARD_USER) return uid == guard->uid;
    return bpf_get_current_ancestor_cgroup_id(guard->level) == guard->cgroup;
}

static __always_inline int on_bind(struct bpf_sock_addr* ctx, const struct call* call)
{
    struct bp_guard_key key = {.port = call->port, .proto = call->proto};
    struct call_event event = {.kind = BP_EVENT_DENIED, .listen = call->port};
    struct bp_guard* guard;

    key.netns_cookie = bpf_get_netns_cookie(ctx);
    guard = bpf_map_lookup_elem(&bp_guards, &key);
    if (!guard || may_bind(guard)) return CALL_ALLOW;
    ATOMIC_ADD(&guard->denied, 1);
    event.cgroup = guard->cgroup;
    trace_call(call, &event);
    if (bp_has_set_retval) bpf_set_retval(-ERROR_ACCESS);
    return CALL_DENY;
}

SEC("cgroup/bind4") int bp_guard_bind4(struct bpf_sock_addr* ctx)
{
    struct call call = {};

    return read_call4(ctx, &call) && port_is_known(&call) ? on_bind(ctx, &call) : CALL_ALLOW;
}

SEC("cgroup/bind6") int bp_guard_bind6(struct bpf_sock_addr* ctx)
{
    struct call call = {};

    return read_call6(ctx, &call) && port_is_known(&call) ? on_bind(ctx, &call) : CALL_ALLOW;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
