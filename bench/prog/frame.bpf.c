// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Sets a frame back, then hands it to the program under test. A repeated test run gives each round
 * the packet that the last one left, so a redirected packet would match once; here its ports and
 * checksum are written anew before each round. The program under test is the one that ships, reached
 * by a tail call; an empty program reached the same way is what its time is compared with.
 */
#include "lib/ctx.h"
#include "lib/flows.h"

#define MAX_BENCH_OFFSET 70 /* IPv6, TCP: the checksum */

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Of the frame, in network order. */
const volatile __u32 transport_at;
const volatile __u32 checksum_at;
const volatile __u32 ports;
const volatile __u16 checksum;
/* What the frame's socket has on record, when the context's mark asks for one. */
const volatile struct bp_record record;

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} bp_subject SEC(".maps");

/* The test run's socket lives as long as the run: the record is made in the first round. */
static __noinline int leave_record(struct __sk_buff* skb)
{
    struct bp_record value = {record.listen_port, record.rule, 0, record.flags};
    struct bpf_sock* sk = skb->sk;

    skb->mark = 0;
    if (!sk || !(sk = bpf_sk_fullsock(sk))) return -1;
    return bpf_sk_storage_get(&bp_records, sk, &value, BPF_SK_STORAGE_GET_F_CREATE) ? 0 : -1;
}

SEC("tc") int bp_bench(struct __sk_buff* skb)
{
    if (skb->mark && leave_record(skb)) return TC_DROP;

    __u8* frame = skb_data(skb);

    if (transport_at > MAX_BENCH_OFFSET || checksum_at > MAX_BENCH_OFFSET) return TC_DROP;
    if ((void*)(frame + MAX_BENCH_OFFSET + 4) > skb_end(skb)) return TC_DROP;
    *(__u32*)(frame + transport_at) = ports;
    *(__u16*)(frame + checksum_at) = checksum;
    skb->tc_index = 0; /* the tag of a packet that was redirected (bpf/lib/decide.h) */
    bpf_tail_call_static(skb, &bp_subject, 0);
    return TC_DROP;
}

SEC("tc") int bp_empty(struct __sk_buff* skb) { return TC_NEXT; }
