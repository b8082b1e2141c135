// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// A program that is refused, for the reason that REFUSE_... says.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#ifdef REFUSE_HELPER
static long (*bp_no_such_helper)(void) = (void*)9999;
#endif
#ifdef REFUSE_KFUNC
extern int bp_no_such_kfunc(void) __attribute__((section(".ksyms")));
#endif

struct {
#ifdef REFUSE_MAP_TYPE
    __uint(type, 4000);
#else
    __uint(type, BPF_MAP_TYPE_ARRAY);
#endif
    __type(key, __u32);
#ifdef REFUSE_MAP_SIZE
    __uint(value_size, 1 << 24);
    __uint(max_entries, 1 << 30);
#else
    __type(value, __u32);
    __uint(max_entries, 1);
#endif
} bp_map SEC(".maps");

SEC("tc") int bp_refusal(struct __sk_buff* skb)
{
    __u32 key = 0;
    int result = bpf_map_lookup_elem(&bp_map, &key) != 0;
#ifdef REFUSE_PACKET
    result += ((const __u8*)(long)skb->data)[100];
#endif
#ifdef REFUSE_HELPER
    result += bp_no_such_helper();
#endif
#ifdef REFUSE_KFUNC
    result += bp_no_such_kfunc();
#endif
    return result;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
