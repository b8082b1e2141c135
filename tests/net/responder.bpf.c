// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The strangers' end of their connections, at tc ingress of the client's interface: acknowledges
 * what the server sends to anybody of 11.0.0.0/8 or 2001:db8::/32, keeps nothing, and counts from
 * which port it came. A million clients cost no socket and no process.
 */
#include "lib/packet.h"

#define FIN 0x01
#define SYN 0x02
#define RST 0x04
#define ACK 0x10
#define SHOT 2

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u16 listen_port;
const volatile __u16 target_port;

/* What came: from the listen port, from the target port (never, if all is well), and resets. */
__u64 handshakes, answers, from_target, resets;

struct segment {
    __be16 source, destination;
    __be32 sequence, acknowledgment;
    __u8 offset, flags;
    __be16 window, checksum, urgent;
};

static __always_inline void count(__u64* counter)
{
    __sync_fetch_and_add(counter, 1);
}

static __always_inline bool swap(struct __sk_buff* skb, __u32 left, __u32 right, __u32 size)
{
    __u8 a[16], b[16];

    return !bpf_skb_load_bytes(skb, left, a, size) && !bpf_skb_load_bytes(skb, right, b, size) &&
           !bpf_skb_store_bytes(skb, left, b, size, 0) &&
           !bpf_skb_store_bytes(skb, right, a, size, 0);
}

/* Sent back as the acknowledgement of itself, its data included: so the server hears a byte too. */
static __always_inline int acknowledge(struct __sk_buff* skb, __u32 l4, const struct segment* old,
                                       __u32 data, bool ipv6)
{
    struct segment new = *old;
    __s64 difference;

    new.source = old->destination;
    new.destination = old->source;
    new.sequence = old->acknowledgment;
    new.acknowledgment =
        bpf_htonl(bpf_ntohl(old->sequence) + data + (old->flags & (SYN | FIN) ? 1 : 0));
    new.flags = ACK;
    difference = bpf_csum_diff((__be32*)old, sizeof(*old), (__be32*)&new, sizeof(new), 0);
    if (difference < 0 || bpf_skb_store_bytes(skb, l4, &new, sizeof(new), 0) ||
        bpf_l4_csum_replace(skb, l4 + offsetof(struct segment, checksum), 0, difference, 0) ||
        !swap(skb, 0, 6, 6) ||
        !(ipv6 ? swap(skb, 14 + 8, 14 + 24, 16) : swap(skb, 14 + 12, 14 + 16, 4)))
        return SHOT;
    return bpf_redirect(skb->ifindex, 0);
}

static __always_inline int tcp(struct __sk_buff* skb, __u32 l4, __u32 end, bool ipv6)
{
    struct segment segment;
    __u32 data;

    if (bpf_skb_load_bytes(skb, l4, &segment, sizeof(segment))) return SHOT;
    data = end - l4 - (segment.offset >> 4) * 4;
    if (segment.flags & RST) count(&resets);
    if (segment.source == bpf_htons(target_port)) {
        count(&from_target);
        return SHOT;
    }
    if (segment.source != bpf_htons(listen_port) || segment.flags & RST) return SHOT;
    if (segment.flags & SYN)
        count(&handshakes);
    else if (data)
        count(&answers);
    else
        return SHOT;
    return acknowledge(skb, l4, &segment, data, ipv6);
}

static __always_inline int udp(struct __sk_buff* skb, __u32 l4)
{
    __be16 source;

    if (bpf_skb_load_bytes(skb, l4, &source, sizeof(source))) return SHOT;
    if (source == bpf_htons(listen_port)) count(&answers);
    if (source == bpf_htons(target_port)) count(&from_target);
    return SHOT;
}

SEC("tc") int bp_responder(struct __sk_buff* skb)
{
    bool ipv6 = skb->protocol == bpf_htons(0x86dd);
    __u8 protocol, word[4];
    __be16 length;
    __u32 l4 = ipv6 ? 54 : 34;

    if (!ipv6 && skb->protocol != bpf_htons(0x0800)) return -1;
    if (bpf_skb_load_bytes(skb, 14 + (ipv6 ? 24 : 16), word, sizeof(word))) return -1;
    if (ipv6 ? word[0] != 0x20 || word[1] != 0x01 : word[0] != 11) return -1; /* no stranger's */
    if (bpf_skb_load_bytes(skb, 14 + (ipv6 ? 6 : 9), &protocol, 1)) return -1;
    if (bpf_skb_load_bytes(skb, 14 + (ipv6 ? 4 : 2), &length, sizeof(length))) return -1;
    if (protocol == IPPROTO_UDP) return udp(skb, l4);
    if (protocol != IPPROTO_TCP) return -1;
    return tcp(skb, l4, 14 + bpf_ntohs(length) + (ipv6 ? 40 : 0), ipv6);
}
