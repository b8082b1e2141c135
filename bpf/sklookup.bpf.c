// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The sklookup engine: no packet is touched. When a connection to a listen port finds no socket of
 * its own, the socket that listens on the target port takes it, and what it accepts truly is on the
 * listen port.
 *
 *   bp_lookup    runs in the netns for every SYN and every datagram that no connected socket takes
 *   bp_listen    runs for the whole cgroup tree: keeps who begins to listen, records connections
 *   bp_name4/6   run for the whole cgroup tree: getsockname(2) of a steered connection says the
 *                target port, as it would behind any other redirect
 *   bp_find      run once for each socket that listened before (BPF_PROG_TEST_RUN in the netns)
 *
 * The rule table is the netns's own, shared with tc: one flip changes both.
 */
#include "lib/count.h"
#include "lib/flows.h"
#include "lib/listeners.h"
#include "lib/rules.h"
#include "lib/steer.h"
#include "lib/steered.h"

#include "bpfport/meta.h"

const volatile __u64 bp_netns_cookie; /* the netns whose listeners are ours */
const volatile __u32 bp_has_ifindex;  /* the kernel tells the interface (5.17+) */

/* rules_find() for the two programs that ask. It takes a pointer, since sk_lookup
 * needs 5.15 anyway; what it points to is no map key for verifiers before 6.6, so it is copied. */
GLOBAL __u32 bp_rule_for(const struct bp_flow_key* key, __u32 slot, __u32 ifindex)
{
    __u8 local[16] __attribute__((aligned(4)));

    if (!key) return 0;
    copy_address(local, key->local);
    return rules_find(rules_side(), slot, ifindex, local);
}

/* -- bp_lookup: which socket -- */

SEC("sk_lookup") int bp_lookup(struct bpf_sk_lookup* ctx)
{
    const struct bp_table_side* side = rules_side();
    __u8 proto = READ(ctx, protocol) == IPPROTO_UDP ? BP_UDP : BP_TCP;
    __be16 listen_port = bpf_htons(READ(ctx, local_port));
    __u16 slot = rules_slot(side, proto, listen_port);
    __u32 ifindex = bp_has_ifindex ? READ(ctx, ingress_ifindex) : 0;
    struct bp_flow_key key = {};
    const struct bp_rule* rule;
    bool by_tc;
    __u16 id;

    if (!(slot & BP_SLOT_SET)) return SK_PASS;
    lookup_addresses(ctx, &key);
    id = bp_rule_for(&key, slot, ifindex);
    if (!id) return SK_PASS;
    rule = rules_get(side, id);
    if (rule->engine != BP_ENGINE_SKLOOKUP) return SK_PASS; /* tc has had it, or left it alone */
    if (rule->flags & BP_RULE_DRAINING) {
        count_outcome(BP_OUTCOME_DRAINING);
        return SK_PASS;
    }
    if (rule_spares(rule, key.local) &&
        keeps_its_address(ctx, ifindex, proto, key.local, listen_port))
        return SK_PASS;
    key.peer_port = READ(ctx, remote_port);
    key.target_port = rule_target(rule, listen_port);
    if (proto == BP_UDP) {
        struct bp_flow* known = flow_lookup(BP_UDP, &key);

        /* The answer to a datagram of this host is for the socket that sent it. */
        if (known && is_own_flow(known, listen_port)) {
            flow_used(known);
            count_outcome(BP_OUTCOME_LISTEN_SOCKET);
            return SK_PASS;
        }
    }
    by_tc = (rule->flags & BP_RULE_STANDBY) && tc_serves(key.target_port, key.local);
    if (steer(ctx, ifindex, proto, key.local, key.target_port) == STEERED) {
        if (proto == BP_UDP)
            remember_datagram(&key, listen_port, id);
        else if (!by_tc && bpf_map_lookup_elem(&bp_hints, &key))
            /* What a connection with this tuple that tc redirected once has left behind: tc, when
             * it has a part in this rule, must not take this one for that. */
            bpf_map_delete_elem(&bp_hints, &key);
        return SK_PASS;
    }
    /* tc serves the port, and asks here whether anybody has the tuple on the listen port. */
    if (by_tc) return SK_PASS;
    if (rule->on_absent == BP_ABSENT_PASS) {
        count_outcome(BP_OUTCOME_ABSENT_PASSED);
        return SK_PASS;
    }
    count_outcome(BP_OUTCOME_ABSENT_RESET);
    return SK_DROP; /* the peer gets a reset, or an ICMP port unreachable */
}

/* -- bp_listen: who listens, who was connected -- */

static __always_inline void local_address(const struct bpf_sock_ops* ctx, __u8* address)
{
    if (READ(ctx, family) == FAMILY_V4) {
        map_v4(address, READ(ctx, local_ip4));
        return;
    }
    READ_ADDRESS(address, ctx, local_ip6);
}

/* The sign of a difference, which no compiler makes a branch of. */
static __always_inline __u64 negative(__u64 difference)
{
    asm volatile("" : "+r"(difference));
    return difference >> 63;
}

/* 0 when the rule gives a listener on this target port and address something. Without a branch: the
 * verifier follows each one of every rule. */
static __always_inline __u64 not_served(const struct bp_rule* rule, __u16 port,
                                        const struct bp_listener_key* listener)
{
    const __u64* own = (const __u64*)rule->address;
    const __u32* bound = (const __u32*)listener->address;
    __u64 has_address = (rule->flags / BP_RULE_ADDRESS) & 1;
    __u64 offset = (__u64)port - rule->target_first;
    __u64 span = (__u64)rule->listen_last - rule->listen_first;
    __u64 differs = (own[0] ^ (bound[0] | (__u64)bound[1] << 32)) |
                    (own[1] ^ (bound[2] | (__u64)bound[3] << 32));

    return negative((__u64)rule->listen_first - 1) | negative(offset) | negative(span - offset) |
           (rule->engine ^ BP_ENGINE_SKLOOKUP) | (rule->proto ^ BP_TCP) | (differs & -has_address);
}

/* Whether a rule gives the listener anything: its target is the port, and its own address, when it
 * has one, is the listener's. Others can't take up places in the map. */
GLOBAL int bp_may_serve(const struct bp_listener_key* listener)
{
    const struct bp_table_side* side = rules_side();
    __u64 served = 0;
    __u16 port;

    if (!listener) return 0;
    if (!(rules_slot(side, BP_TCP, listener->port) & BP_SLOT_STEERED)) return 0;
    if (address_is_unspecified(listener->address)) return 1;
    port = bpf_ntohs(listener->port);
    /* To the end: verifiers before 6.7 refuse the loop that clang makes of an early return, whose
     * last instruction falls through to its first ("back-edge"). */
    for (__u32 id = 1; id < BP_MAX_RULES; id++) {
        __u64 miss = not_served(&side->rules[id], port, listener);

        served |= 1 ^ (negative(miss) | negative(-miss));
    }
    return served != 0;
}

static __always_inline int keep_listener(struct bpf_sock_ops* ctx, struct bpf_sock* sk,
                                         struct bp_listener_key* key)
{
    int error = 0;

    for (__u32 slot = 0; slot < BP_LISTENER_SLOTS; slot++) {
        key->slot = slot;
        error = bpf_sock_hash_update(ctx, &bp_listeners, key, BPF_NOEXIST);
        if (error != -BP_EEXIST) break;
    }
    if (!error) group_join(key, READ(sk, bound_dev_if));
    return error;
}

/* listen(2) has not returned yet: the first client is served. */
static __always_inline void on_listen(struct bpf_sock_ops* ctx)
{
    struct bp_listener_key key = {.proto = BP_TCP};
    __u32 port = READ(ctx, local_port);
    struct bpf_sock* sk = READ(ctx, sk);
    bool serves;
    __u16 slot;
    int error;

    if (!sk) return;
    key.port = bpf_htons(port);
    slot = rules_slot(rules_side(), BP_TCP, key.port);
    if (!(slot & (BP_SLOT_STEERED | BP_SLOT_SET))) return;
    local_address(ctx, key.address);
    serves = bp_may_serve(&key);
    /* No target is of interest where it keeps its address. */
    if (!serves && !((slot & BP_SLOT_SET) && address_is_loopback(key.address))) return;
    error = keep_listener(ctx, sk, &key);
    if (!serves) return;
    /* All slots taken: the group is served through those, this one included. */
    if (!error || error == -BP_EEXIST)
        mark_listener(sk, port);
    else
        wake_tc(&key); /* Multipath TCP, or the map is full */
}

/* A connection was accepted. One that was steered gets the record that status and drain count; the
 * interface it came by is not known here, so the one that owns its address stands for it. */
static __always_inline void on_established(struct bpf_sock_ops* ctx)
{
    const struct bp_table_side* side = rules_side();
    struct bpf_sock* sk = READ(ctx, sk);
    __u32 port = READ(ctx, local_port);
    struct bp_record record = {};
    struct bp_flow_key key = {};
    __u32* target;
    __u16 slot, id;

    if (!sk) return;
    target = bpf_sk_storage_get(&bp_steered, sk, 0, 0);
    if (!target || (*target & STEERED_PORT) == port) return;
    record.listen_port = bpf_htons(port);
    slot = rules_slot(side, BP_TCP, record.listen_port);
    if (!(slot & BP_SLOT_SET)) return;
    local_address(ctx, key.local);
    id = bp_rule_for(&key, slot, LOOPBACK_INDEX);
    if (!id || !(rules_get(side, id)->flags & BP_RULE_SOCKNAME_LISTEN)) *target |= STEERED_NAME;
    if (!id || rules_get(side, id)->engine != BP_ENGINE_SKLOOKUP) return;
    record.rule = id;
    if (bpf_sk_storage_get(&bp_records, sk, &record, BPF_SK_STORAGE_GET_F_CREATE))
        count_connection(id);
}

SEC("sockops") int bp_listen(struct bpf_sock_ops* ctx)
{
    __u32 op = READ(ctx, op);

    /* `reply` is left as it is: it may be another program's answer. */
    if (op != BPF_SOCK_OPS_TCP_LISTEN_CB && op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB) return 1;
    if (bpf_get_netns_cookie(ctx) != bp_netns_cookie) return 1;
    if (op == BPF_SOCK_OPS_TCP_LISTEN_CB)
        on_listen(ctx);
    else
        on_established(ctx);
    return 1;
}

/* -- bp_name: what getsockname(2) says -- */

SEC("cgroup/getsockname4") int bp_name4(struct bpf_sock_addr* ctx) { return name_connection(ctx); }
SEC("cgroup/getsockname6") int bp_name6(struct bpf_sock_addr* ctx) { return name_connection(ctx); }

/* -- bp_find: who listened before -- */

static __always_inline struct bpf_sock* find_socket(struct __sk_buff* skb,
                                                    const struct bp_find* wanted)
{
    struct bp_flow_key key = {};
    struct bpf_sock_tuple tuple = {};
    __u32 size;

    /* From the unspecified address, which no connection has. */
    if (address_is_v4(wanted->address)) map_v4(key.peer, 0);
    copy_address(key.local, wanted->address);
    key.peer_port = wanted->peer_port;
    size = socket_tuple(&tuple, &key, wanted->port);
    if (wanted->proto == BP_UDP)
        return bpf_sk_lookup_udp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
    return bpf_sk_lookup_tcp(skb, &tuple, size, BPF_F_CURRENT_NETNS, 0);
}

static __always_inline void keep_for_loader(struct bpf_sock* sk, struct bp_find* find)
{
    struct bp_listener_key key = {.port = find->port, .proto = find->proto};

    find->found = 1;
    bound_address(sk, key.address);
    find->error = keep_found(sk, &key);
    find->slot = key.slot;
    copy_address(find->address, key.address);
    if (find->proto == BP_UDP) return;
    if (!find->error || find->error == -BP_EEXIST)
        mark_listener(sk, bpf_ntohs(find->port));
    else
        wake_tc(&key);
}

SEC("tc") int bp_find(struct __sk_buff* skb)
{
    struct bp_find find;
    struct bpf_sock* sk;

    if (bpf_skb_load_bytes(skb, ETH_HEADER_LEN, &find, sizeof(find))) return TC_NEXT;
    find.found = 0;
    find.error = 0;
    sk = find_socket(skb, &find);
    if (sk) {
        bool listens = find.proto == BP_UDP ? !READ(sk, dst_port) : READ(sk, state) == STATE_LISTEN;

        /* One on another port is what a rule in force steers to. */
        if (listens && READ(sk, src_port) == bpf_ntohs(find.port)) keep_for_loader(sk, &find);
        bpf_sk_release(sk);
    }
    bpf_skb_store_bytes(skb, ETH_HEADER_LEN, &find, sizeof(find), 0);
    return TC_NEXT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
