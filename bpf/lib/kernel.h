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

/*
 * Four idioms keep what the compiler emits within what every verifier follows, whatever the compiler
 * can prove or merge. Use them for every such access: what loads today as one clang compiles it would
 * else be refused as the next one does.
 *
 * READ(object, field)    A field of a context or of a struct bpf_sock. clang 15 and later merge the
 *                        loads of two branches into one at a computed offset, which the verifier
 *                        refuses ("dereference of modified ctx ptr", "pointer arithmetic on sock
 *                        prohibited"). Here the load is spelled with its offset as an immediate.
 * bounded(value, mask)   An index or offset. clang drops a mask where it can prove the bound by facts
 *                        that the verifier does not track ("unbounded memory access"). Here the mask
 *                        is an instruction.
 * GLOBAL                 A function that the verifier checks once and by itself (5.6 and later). It
 *                        takes the context and numbers; before 5.13 no pointers. It is weak, so that
 *                        clang assumes nothing of its result: the verifier assumes nothing either.
 * ATOMIC_ADD(at, value)  To 4 or 8 bytes. clang 20 and later compile __sync_fetch_and_add to an
 *                        instruction that returns the old value, also where nobody reads it; the
 *                        kernel has that since 5.12 ("BPF_STX uses reserved fields").
 */
#define READ(object, field)                                                                        \
    ({                                                                                             \
        __u64 read_value;                                                                          \
                                                                                                   \
        _Static_assert(sizeof((object)->field) != 1, "no such field in any context");              \
        if (sizeof((object)->field) == 2)                                                          \
            READ_AS("u16", read_value, object, offsetof(typeof(*(object)), field));                \
        else if (sizeof((object)->field) == 4)                                                     \
            READ_AS("u32", read_value, object, offsetof(typeof(*(object)), field));                \
        else                                                                                       \
            READ_AS("u64", read_value, object, offsetof(typeof(*(object)), field));                \
        (typeof((object)->field))read_value;                                                       \
    })

#define READ_AS(type, value, object, offset)                                                       \
    asm volatile("%0 = *(" type " *)(%1 + %2)" : "=r"(value) : "r"(object), "i"(offset))

static __always_inline __u32 bounded(__u64 value, const __u32 mask)
{
    asm volatile("%0 &= %1" : "+r"(value) : "i"(mask));
    return value;
}

#ifndef GLOBAL /* maps.bpf.c */
#define GLOBAL __weak __noinline
#endif

#define ATOMIC_ADD(at, value)                                                                      \
    do {                                                                                           \
        _Static_assert(sizeof(*(at)) == 4 || sizeof(*(at)) == 8, "no atomic instruction");         \
        if (sizeof(*(at)) == 4)                                                                    \
            asm volatile("lock *(u32 *)(%0 + 0) += %1" ::"r"(at), "w"((__u32)(value)) : "memory"); \
        else                                                                                       \
            asm volatile("lock *(u64 *)(%0 + 0) += %1" ::"r"(at), "r"((__u64)(value)) : "memory"); \
    } while (0)

/* Keeps clang from merging two calls on two maps into one on a merged pointer, which the kernel
 * could then no longer inline. */
#define barrier() asm volatile("" ::: "memory")

/* The packet's bytes. The context holds 32 bits, the verifier makes a pointer of them. */
static __always_inline void* skb_data(const struct __sk_buff* skb)
{
    void* data;

    READ_AS("u32", data, skb, offsetof(struct __sk_buff, data));
    return data;
}

static __always_inline void* skb_end(const struct __sk_buff* skb)
{
    void* end;

    READ_AS("u32", end, skb, offsetof(struct __sk_buff, data_end));
    return end;
}

/* The sign of a difference, which no compiler makes a branch of. */
static __always_inline __u64 negative(__u64 difference)
{
    asm volatile("" : "+r"(difference));
    return difference >> 63;
}

/* 1 for zero, else 0, without a branch as well. */
static __always_inline __u64 is_zero(__u64 value)
{
    return 1 ^ (negative(value) | negative(-value));
}

#endif
