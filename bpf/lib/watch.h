/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Watch: events of system calls, for whoever watches (bpfport/event.h). Nobody: one load. The ring
 * and the lease are one for all cgroup programs of the machine (host/ in the store).
 */
#ifndef BPFPORT_LIB_WATCH_H
#define BPFPORT_LIB_WATCH_H

#include "bpfport/event.h"
#include "lib/sockaddr.h"

struct bp_trace_lease bp_trace_lease SEC(".data.lease");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, BP_EVENT_BYTES);
} bp_events SEC(".maps");

struct happening {
    __u64 cgroup;
    __u16 listen; /* ports in host order */
    __u16 target;
    __u16 rule;
    __u8 kind;
};

/* The address goes where it belongs: binds are about our side, connects about the other's. */
static __noinline int tell(const struct call* call, const struct happening* what)
{
    struct bp_event* event;
    __u64 now = bpf_ktime_get_ns();
    __u64 who = bpf_get_current_uid_gid();

    if (now > bp_trace_lease.expires) {
        bp_trace_lease.expires = 0; /* the watcher has died: nobody pays for it any longer */
        return 0;
    }
    event = bpf_ringbuf_reserve(&bp_events, sizeof(*event), 0);
    if (!event) {
        ATOMIC_ADD(&bp_trace_lease.lost, 1);
        return 0;
    }
    __builtin_memset(event, 0, sizeof(*event));
    event->time = now;
    event->cgroup = what->cgroup;
    event->kind = what->kind;
    event->rule = what->rule;
    event->proto = call->proto;
    event->listen_port = bpf_htons(what->listen);
    event->target_port = bpf_htons(what->target);
    copy_address(what->kind == BP_EVENT_CONNECT ? event->peer : event->local, call->address);
    event->pid = bpf_get_current_pid_tgid() >> 32;
    event->uid = (__u32)who;
    bpf_get_current_comm(event->comm, sizeof(event->comm));
    bpf_ringbuf_submit(event, 0);
    return 1;
}

static __always_inline void watch_tell(const struct call* call, const struct happening* what)
{
    if (*(volatile __u64*)&bp_trace_lease.expires) used(tell(call, what));
}

#endif
