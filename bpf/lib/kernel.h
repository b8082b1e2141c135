/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Kernel: constants of the kernel whose headers can't be included next to <linux/bpf.h>, and the
 * macros that keep the programs loadable as each clang compiles them, by the verifier of each
 * kernel.
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

/* include/uapi/linux/pkt_cls.h. With NEXT the programs and filters after this one run. */
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
 * Use these four for every such access. Without them a program may load as one clang compiles it, and
 * be refused as another does.
 *
 * READ(object, field)    A field of a context or of a struct bpf_sock. clang 15 and later merge the
 *                        loads of two branches into one at a computed offset, which the verifier
 *                        refuses ("dereference of modified ctx ptr", "pointer arithmetic on sock
 *                        prohibited"). READ is an instruction with the offset as an immediate.
 * bounded(value, mask)   An index or offset. clang removes a mask where it can prove the bound from
 *                        facts that the verifier doesn't track ("unbounded memory access"). In
 *                        bounded() the mask is an instruction that stays.
 * GLOBAL                 A function that the verifier checks once and by itself (Linux 5.6). It
 *                        takes the context and numbers; pointers need Linux 5.13. It is weak, so
 *                        that clang assumes nothing of its result, as the verifier does.
 * ATOMIC_ADD(at, value)  On 4 or 8 bytes. clang 20 and later compile __sync_fetch_and_add to an
 *                        instruction that returns the old value, even if that is unused; it needs
 *                        Linux 5.12 ("BPF_STX uses reserved fields").
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

/* Keeps clang from merging the look-ups in two maps into one call with a merged pointer, which the
 * kernel can't inline. */
#define barrier() asm volatile("" ::: "memory")

/* The sign of a difference, without a branch. */
static __always_inline __u64 negative(__u64 difference)
{
    difference >>= 63;
    asm volatile(""
                 : "+r"(difference)); /* of a 0 or 1 that it knows of clang makes branches again */
    return difference;
}

/* 1: below, else 0, without a branch: the borrow of the subtraction. */
static __always_inline __u64 is_below(__u64 value, __u64 than)
{
    __u64 difference = value - than;

    return negative((~value & than) | ((~value | than) & difference));
}

/*
 * LOOP(passes, body, state)  calls body(0, state) to body(passes - 1, state), until one returns
 * LOOP_END. `body` is a static long (__u32 pass, STATE* state).
 *
 * The verifier follows every pass of a loop that clang compiles, and compares its state at each
 * pass with those of all passes before. bpf_loop() (Linux 5.17) takes the body as a function, which
 * is checked once. An object that must load before 5.13 can't use it: older kernels have no
 * function pointers.
 */
#ifdef DIRECT_WRITE
#define HAS_LOOP DIRECT_WRITE /* tc_direct needs Linux 6.2, tc_helper loads on 5.10 */
#else
extern const volatile bool bp_has_loop; /* defined by the object that uses LOOP() */
#define HAS_LOOP bp_has_loop
#endif

#define LOOP_CONTINUE 0
#define LOOP_END 1

#define LOOP(passes, body, state)                                                                  \
    do {                                                                                           \
        if (HAS_LOOP)                                                                              \
            bpf_loop(passes, body, state, 0);                                                      \
        else                                                                                       \
            for (__u32 loop_pass = 0; loop_pass < (passes); loop_pass++)                           \
                if (body(loop_pass, state) == LOOP_END) break;                                     \
    } while (0)

#endif
