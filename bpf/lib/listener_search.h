/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Listener search: finds and stores a socket that began to listen before the programs ran
 * (struct bp_find in bpfport/listener.h).
 */
#ifndef BPFPORT_LIB_LISTENER_SEARCH_H
#define BPFPORT_LIB_LISTENER_SEARCH_H

#include "bpfport/listener.h"
#include "lib/ctx.h"
#include "lib/listeners.h"
#include "lib/steered.h"
#include "lib/tuple.h"

static __always_inline struct bpf_sock* find_socket(struct __sk_buff* skb,
                                                    const struct bp_find* wanted)
{
    struct bp_flow_key key = {};
    struct bpf_sock_tuple tuple = {};
    __u32 size;

    /* The source is the unspecified address, which no connection has. */
    if (address_is_v4(wanted->address)) map_v4(key.peer, 0);
    copy_address(key.local, wanted->address);
    key.peer_port = wanted->peer_port;
    size = socket_tuple(&tuple, &key, wanted->port);
    if (wanted->proto == BP_UDP)
        return bpf_sk_lookup_udp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
    return bpf_sk_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
}

static __always_inline void store_found(struct bpf_sock* sk, struct bp_find* find)
{
    struct bp_listener_key key = {.port = find->port, .proto = find->proto};

    find->found = 1;
    bound_address(sk, key.address);
    note_kind(&key, READ(sk, bound_dev_if));
    find->error = store_listener(sk, &key);
    if (!find->error) note_member(&key);
    find->member = key.member;
    copy_address(find->address, key.address);
    if (find->proto == BP_UDP) return;
    if (!find->error || find->error == -BP_EEXIST)
        put_bound_port(sk, bpf_ntohs(find->port));
    else
        fallback_activate(&key);
}

#endif
