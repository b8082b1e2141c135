// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * --original-dst: getsockopt(SO_ORIGINAL_DST) of a redirected connection returns the address and port that
 * the client sent to, as it does behind an iptables or nftables redirect. Transparent proxies need it.
 *
 * Runs on the root cgroup, behind every getsockopt(2) of the machine (Linux 5.15: the network namespace of
 * the socket). Where the kernel itself has an answer, from conntrack, that says the target port, since tc
 * and XDP change a packet before conntrack sees it: the answer is replaced.
 */
#include "lib/address.h"
#include "lib/flows.h"
#include "lib/rules.h"

#define SOL_IP 0
#define SOL_IPV6 41
#define SO_ORIGINAL_DST 80 /* IP6T_SO_ORIGINAL_DST has the same number */
#define SOCK_STREAM 1

const volatile __u64 bp_netns_cookie; /* sockets of other network namespaces are left alone */

/* struct sockaddr_in and sockaddr_in6, in words: the verifier knows optval's alignment. */
struct socket_address_v4 {
    __u16 family;
    __be16 port;
    __be32 address;
    __u32 zero[2];
};

struct socket_address_v6 {
    __u16 family;
    __be16 port;
    __be32 flow_info;
    __u32 address[4];
    __u32 scope_id; /* of a link-local address: its interface */
};

/* The flow that the connection belongs to. Its record is made by the first segment that it sends; up to
 * then its handshake has left a hint. */
static __always_inline struct bp_record connection_flow(struct bpf_sock* sk,
                                                        const struct bp_flow_key* key)
{
    struct bp_record* record = flow_record(sk);
    struct bp_record found = {};
    struct bp_flow* hint;

    if (record) return *record;
    hint = flow_lookup(BP_TCP, key);
    if (hint) {
        found.listen_port = hint->listen_port;
        found.rule = hint->rule;
    }
    return found;
}

/* The port that the client sent to, if a rule with --original-dst redirected the connection; else 0. */
static __always_inline __be16 original_port(struct bpf_sock* sk, const struct bp_flow_key* key)
{
    struct bp_record flow = connection_flow(sk, key);
    const struct bp_rule* rule;

    if (!flow.listen_port) return 0;
    rule = rules_get(rules_side(), flow.rule);
    return rule && rule->flags & BP_RULE_ORIGINAL_DST ? flow.listen_port : 0;
}

/* One store each: the verifier refuses the two as one. */
static __always_inline void answered(struct bpf_sockopt* ctx, __u32 length)
{
    *(volatile __s32*)&ctx->optlen = length;
    *(volatile __s32*)&ctx->retval = 0;
}

static __always_inline void answer_v4(struct bpf_sockopt* ctx, const __u8* address, __be16 port)
{
    struct socket_address_v4* to = (void*)READ(ctx, optval);
    void* end = (void*)READ(ctx, optval_end);

    if ((void*)(to + 1) > end) return; /* too short for the caller: the kernel's error stays */
    to->family = FAMILY_V4;
    to->port = port;
    to->address = *(const __u32*)(address + 12);
    to->zero[0] = 0;
    to->zero[1] = 0;
    answered(ctx, sizeof(*to));
}

static __always_inline void answer_v6(struct bpf_sockopt* ctx, const __u8* address, __be16 port,
                                      __u32 scope_id)
{
    struct socket_address_v6* to = (void*)READ(ctx, optval);
    void* end = (void*)READ(ctx, optval_end);

    if ((void*)(to + 1) > end) return;
    to->family = FAMILY_V6;
    to->port = port;
    to->flow_info = 0;
    copy_address((__u8*)to->address, address);
    to->scope_id = scope_id;
    answered(ctx, sizeof(*to));
}

static __always_inline bool is_link_local(const __u8* address)
{
    return (*(const __u32*)address & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000);
}

SEC("cgroup/getsockopt") int bp_original_dst(struct bpf_sockopt* ctx)
{
    struct bpf_sock* sk = READ(ctx, sk);
    struct bp_flow_key key = {};
    __u32 level = READ(ctx, level);
    __be16 port;

    if (READ(ctx, optname) != SO_ORIGINAL_DST || (level != SOL_IP && level != SOL_IPV6)) return 1;
    if (!sk || READ(sk, type) != SOCK_STREAM || !READ(sk, dst_port)) return 1;
    if (bpf_get_netns_cookie(ctx) != bp_netns_cookie) return 1;
    bound_address(sk, key.local);
    if (address_is_v4(key.local) != (level == SOL_IP)) return 1;
    connected_address(sk, key.peer);
    key.peer_port = READ(sk, dst_port);
    key.target_port = bpf_htons(READ(sk, src_port));
    port = original_port(sk, &key);
    if (!port) return 1;
    if (level == SOL_IP)
        answer_v4(ctx, key.local, port);
    else
        answer_v6(ctx, key.local, port, is_link_local(key.local) ? READ(sk, bound_dev_if) : 0);
    return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
