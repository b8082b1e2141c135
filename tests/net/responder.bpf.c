// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The strangers' end of their connections, at tc ingress of the client's interface: acknowledges
 * what the server sends to anybody of 11.0.0.0/8 or 2001:db8::/32, keeps nothing, and counts from
 * which port it came. A million clients cost no socket and no process.
 */
#include "lib/rewrite.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u16 listen_port;
const volatile __u16 target_port;

/* What came: from the listen port, from the target port (never, if all is well), and resets. */
__u64 handshakes, answers, from_target, resets;

static __always_inline void count(__u64* counter) { ATOMIC_ADD(counter, 1); }

/* Sent back as the acknowledgement of itself, its data included: so the server hears a byte too. */
static __always_inline int acknowledge(struct __sk_buff* skb, __u32 l4, const struct tcp_fixed* old,
                                       __u32 data, bool ipv6)
{
    struct tcp_fixed new = *old;

    new.source = old->destination;
    new.destination = old->source;
    new.sequence = old->acknowledgment;
    new.acknowledgment =
        bpf_htonl(bpf_ntohl(old->sequence) + data + (old->flags & (TCP_SYN | TCP_FIN) ? 1 : 0));
    new.flags = TCP_ACK;
    if (!replace_tcp(skb, l4, old, &new) || !reverse_link(skb) ||
        !reverse_addresses(skb, ETH_HEADER_LEN, ipv6 ? 6 : 4))
        return TC_DROP;
    return bpf_redirect(skb->ifindex, 0);
}

static __always_inline int tcp(struct __sk_buff* skb, __u32 l4, __u32 end, bool ipv6)
{
    struct tcp_fixed segment;
    __u32 data;

    if (bpf_skb_load_bytes(skb, l4, &segment, sizeof(segment))) return TC_DROP;
    data = end - l4 - (segment.offset >> 4) * 4;
    if (segment.flags & TCP_RST) count(&resets);
    if (segment.source == bpf_htons(target_port)) {
        count(&from_target);
        return TC_DROP;
    }
    if (segment.source != bpf_htons(listen_port) || segment.flags & TCP_RST) return TC_DROP;
    if (segment.flags & TCP_SYN)
        count(&handshakes);
    else if (data)
        count(&answers);
    else
        return TC_DROP;
    return acknowledge(skb, l4, &segment, data, ipv6);
}

static __always_inline int udp(struct __sk_buff* skb, __u32 l4)
{
    __be16 source;

    if (bpf_skb_load_bytes(skb, l4, &source, sizeof(source))) return TC_DROP;
    if (source == bpf_htons(listen_port)) count(&answers);
    if (source == bpf_htons(target_port)) count(&from_target);
    return TC_DROP;
}

SEC("tc") int bp_responder(struct __sk_buff* skb)
{
    bool ipv6 = skb->protocol == bpf_htons(0x86dd);
    __u8 protocol, word[4];
    __be16 length;
    __u32 l4 = ipv6 ? 54 : 34;

    if (!ipv6 && skb->protocol != bpf_htons(0x0800)) return TC_NEXT;
    if (bpf_skb_load_bytes(skb, 14 + (ipv6 ? 24 : 16), word, sizeof(word))) return TC_NEXT;
    if (ipv6 ? word[0] != 0x20 || word[1] != 0x01 : word[0] != 11)
        return TC_NEXT; /* no stranger's */
    if (bpf_skb_load_bytes(skb, 14 + (ipv6 ? 6 : 9), &protocol, 1)) return TC_NEXT;
    if (bpf_skb_load_bytes(skb, 14 + (ipv6 ? 4 : 2), &length, sizeof(length))) return TC_NEXT;
    if (protocol == IPPROTO_UDP) return udp(skb, l4);
    if (protocol != IPPROTO_TCP) return TC_NEXT;
    return tcp(skb, l4, 14 + bpf_ntohs(length) + (ipv6 ? 40 : 0), ipv6);
}
