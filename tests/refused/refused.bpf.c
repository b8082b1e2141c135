// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// tc.bpf.c with a first program that no kernel may accept: it reads the packet where nobody has
// looked whether there is any.
#define bp_tc_in bp_tc_in_shipped
#include "tc.bpf.c"
#undef bp_tc_in

SEC("tc") int bp_tc_in(struct __sk_buff* skb)
{
    const __u8* data = (const __u8*)(long)skb->data;
    return data[100];
}
