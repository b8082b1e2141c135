/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the programs need of the kernel beyond its UAPI headers: constants that live in headers we
 * can't include next to <linux/bpf.h>.
 */
#ifndef BPFPORT_LIB_KERNEL_H
#define BPFPORT_LIB_KERNEL_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_HEADER_LEN 14
#define LOOPBACK_INDEX 1 /* LOOPBACK_IFINDEX: lo is the first device of every netns */

/* include/uapi/linux/pkt_cls.h. NEXT lets the programs and filters after ours run. */
enum tc_verdict {
    TC_NEXT = -1, /* TC_ACT_UNSPEC, TCX_NEXT */
    TC_DROP = 2,  /* TC_ACT_SHOT */
};

/* include/uapi/linux/if_packet.h */
#define PACKET_FOR_HOST 0 /* PACKET_HOST */

/* include/net/tcp_states.h, stable since BPF_SOCK_OPS_STATE_CB made them UAPI (BPF_TCP_*) */
enum socket_state {
    STATE_ESTABLISHED = BPF_TCP_ESTABLISHED,
    STATE_TIME_WAIT = BPF_TCP_TIME_WAIT,
    STATE_CLOSE = BPF_TCP_CLOSE,
    STATE_LISTEN = BPF_TCP_LISTEN,
    STATE_NEW_SYN_RECV = BPF_TCP_NEW_SYN_RECV, /* a handshake: struct request_sock */
};

/* Keeps clang from merging two calls on two maps into one on a merged pointer, which the kernel
 * could then no longer inline. */
#define barrier() asm volatile("" ::: "memory")

/* The packet's bytes. The barrier keeps clang from treating the 32-bit context field as a number,
 * which would cost the verifier its knowledge that this is a packet pointer. */
static __always_inline void* skb_data(const struct __sk_buff* skb)
{
    void* data = (void*)(long)skb->data;

    asm volatile("" : "+r"(data));
    return data;
}

static __always_inline void* skb_end(const struct __sk_buff* skb)
{
    void* end = (void*)(long)skb->data_end;

    asm volatile("" : "+r"(end));
    return end;
}

#endif
