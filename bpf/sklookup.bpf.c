// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The sklookup engine: packets are not changed. If the kernel finds no socket for a packet to a
 * listen port, a listener on the target port is selected. The connections that it accepts are on
 * the listen port.
 *
 *   bp_lookup    runs in the network namespace, for each SYN and datagram without a connected
 *                socket
 *   bp_listen    runs for all cgroups (sockops): stores sockets that begin to listen, and records
 *                connections
 *   bp_name4/6   run for all cgroups: getsockname(2) of a steered connection says the target port,
 *                as with any other redirection
 *   bp_find      run by user space for each socket that listened before (BPF_PROG_TEST_RUN)
 *
 * The rule table is shared with the tc programs of the network namespace: one flip changes both.
 */
#include "lib/count.h"
#include "lib/ctx.h"
#include "lib/flows.h"
#include "lib/listeners.h"
#include "lib/rules.h"
#include "lib/steer.h"
#include "lib/steer_shares.h"

#include "bpfport/meta.h"

const volatile __u64 bp_netns_cookie; /* sockets of other network namespaces are left alone */
const volatile __u32 bp_has_ifindex;
const volatile bool bp_has_loop; /* the kernel has bpf_loop() (Linux 5.17) */

struct sockname_set_map bp_sockname_set SEC(".maps");

/* rules_find(). It takes a pointer, since sk_lookup needs 5.15 anyway; verifiers before 6.6 don't
 * take that as a map key: hence the copy. */
GLOBAL __u32 bp_rule_for(const struct bp_flow_key* key, __u32 entry, __u32 ifindex)
{
    struct bp_flow_key copy = {};

    if (!key) return 0;
    copy_address(copy.local, key->local);
    copy_address(copy.peer, key->peer);
    copy.peer_port = key->peer_port;
    return rules_find(rules_side(), entry, ifindex, &copy);
}

/* -- bp_lookup: which socket takes the packet -- */

/* The rule is for other clients. */
static __always_inline int other_client(void)
{
    count_outcome(BP_OUTCOME_OTHER_CLIENT);
    return SK_PASS;
}

SEC("sk_lookup") int bp_lookup(struct bpf_sk_lookup* ctx)
{
    __u32 side = rules_side();
    __u8 proto = lookup_proto(ctx);
    __be16 listen_port = bpf_htons(READ(ctx, local_port));
    __u32 entry = port_entry(side, proto, listen_port);
    __u32 ifindex = lookup_ifindex(ctx);
    struct bp_flow_key key = {};
    const struct bp_rule* rule;
    bool fallback, steered, is_for_client;
    __u32 id;

    if (!(entry & BP_PORT_LISTEN)) return SK_PASS;
    lookup_addresses(ctx, &key);
    key.peer_port = READ(ctx, remote_port);
    id = bp_rule_for(&key, entry, ifindex);
    rule = rules_get(side, id); /* 0: a rule of no engine */
    if (!rule) return SK_PASS;
    if (rule->engine != BP_ENGINE_SKLOOKUP) return SK_PASS; /* the tc programs have decided */
    if (rule->flags & BP_RULE_DRAINING) {
        count_outcome(BP_OUTCOME_DRAINING);
        return SK_PASS;
    }
    is_for_client = rule_is_for(side, rule, key.peer);
    if (!is_for_client && proto == BP_TCP) return other_client();
    if (rule_exempts(rule, key.local) &&
        steer_to_exempt(ctx, ifindex, proto, key.local, listen_port))
        return SK_PASS;
    if (rule->shares && proto == BP_UDP) {
        id = bp_flow_share(&key, id, listen_port);
        rule = rules_get(side, id);
        if (!rule) return SK_PASS;
    }
    key.target_port = rule_target(rule, listen_port);
    if (proto == BP_UDP) {
        struct bp_flow* known = flow_lookup(BP_UDP, &key);

        /* An answer to a datagram of this host is for the socket that sent it. */
        if (known && is_own_flow(known, listen_port)) {
            flow_used(known);
            count_outcome(BP_OUTCOME_LISTEN_SOCKET);
            return SK_PASS;
        }
        if (is_taken(known, listen_port)) {
            count_outcome(outcome_of_taken(known));
            return SK_DROP; /* the peer gets an ICMP port unreachable */
        }
        /* The flow of a client that the rule was for goes on. */
        if (!is_for_client && !(known && known->listen_port == listen_port && in_use(known)))
            return other_client();
    }
    fallback = has_fallback(rule, key.target_port, key.local);
    steered = bp_steer(ctx, ifindex, &key, STEER_TO(proto, key.target_port)) == STEERED;
    if (!steered && !fallback && rule->shares && rule->on_absent == BP_ABSENT_NEXT) {
        __u32 ports = proto | (__u32)listen_port << 8;
        __u32 next = NEXT_NONE;

        for (__u32 step = 0; step < BP_MAX_SHARES; step++) {
            next = bp_steer_step(ctx, ifindex, &key, bounded(id, 0xffff) | step << 16, ports);
            if (next) break;
        }
        if (next & (NEXT_STEERED | NEXT_FALLBACK)) {
            id = NEXT_RULE(next);
            steered = next & NEXT_STEERED;
            fallback = next & NEXT_FALLBACK;
            rule = rules_get(side, id);
            if (!rule) return SK_PASS;
            key.target_port = rule_target(rule, listen_port);
        }
    }
    if (steered) {
        if (proto == BP_UDP)
            record_datagram(&key, listen_port, id);
        else if (!fallback && !tc_unused() && bpf_map_lookup_elem(&bp_hints, &key))
            /* The hint of an earlier connection with this tuple, which tc redirected: tc must not
             * take this connection for that one. */
            bpf_map_delete_elem(&bp_hints, &key);
        return SK_PASS;
    }
    /* tc serves the port; its look-up of the tuple on the listen port runs this program. */
    if (fallback) return SK_PASS;
    if (rule->on_absent == BP_ABSENT_PASS) {
        count_outcome(BP_OUTCOME_ABSENT_PASSED);
        return SK_PASS;
    }
    count_outcome(BP_OUTCOME_ABSENT_RESET);
    return SK_DROP; /* the peer gets a reset, or an ICMP port unreachable */
}

/* -- bp_listen: new listeners and connections -- */

struct listener_search {
    struct bpf_sock_ops* ctx;
    struct bp_listener_key* key;
    int error;
};

static long store_new_member(__u32 member, struct listener_search* search)
{
    search->key->member = member;
    search->error = bpf_sock_hash_update(search->ctx, &bp_listeners, search->key, BPF_NOEXIST);
    return search->error == -BP_EEXIST ? LOOP_CONTINUE : LOOP_END;
}

static __always_inline int store_new_listener(struct bpf_sock_ops* ctx, struct bpf_sock* sk,
                                              struct bp_listener_key* key)
{
    struct listener_search search = {.ctx = ctx, .key = key};

    note_kind(key, READ(sk, bound_dev_if));
    LOOP(BP_GROUP_MEMBERS, store_new_member, &search);
    if (search.error) return search.error;
    note_member(key);
    group_join(key, READ(sk, bound_dev_if));
    return 0;
}

/* Whether some rule redirects to a listener on this target port and address. Others take no room in
 * the map. */
static __always_inline bool is_served(const struct bp_listener_key* key)
{
    __u32 side = rules_side();
    __u32 scope = BP_SCOPE_STEERED | bpf_ntohs(key->port);

    if (address_is_unspecified(key->address)) return true;
    return bp_search_set(side, bp_table.exclusive[bounded(side, 1)], scope,
                         address_half(key->address, 0),
                         address_half(key->address, 1)) != BP_STEERED_NOT_SERVED;
}

/* Runs before listen(2) returns: the first client is served. */
static __always_inline void on_listen(struct bpf_sock_ops* ctx)
{
    struct bp_listener_key key = {.proto = BP_TCP};
    __u32 port = READ(ctx, local_port);
    struct bpf_sock* sk = READ(ctx, sk);
    bool serves;
    __u32 entry;
    int error;

    if (!sk) return;
    key.port = bpf_htons(port);
    entry = port_entry(rules_side(), BP_TCP, key.port);
    if (!(entry & (BP_PORT_STEERED | BP_PORT_LISTEN))) return;
    local_address(ctx, key.address);
    serves = (entry & BP_PORT_STEERED) && is_served(&key);
    /* A listener on a listen port is stored if it is exempt (rule_exempts). */
    if (!serves && !((entry & BP_PORT_LISTEN) && address_is_loopback(key.address))) return;
    error = store_new_listener(ctx, sk, &key);
    if (!serves) return;
    /* EEXIST: the group has BP_GROUP_MEMBERS already; any of them selects this one, too. */
    if (!error || error == -BP_EEXIST)
        put_bound_port(sk, port);
    else
        fallback_activate(&key); /* Multipath TCP, or the map is full */
}

/* A connection was accepted. If it was steered it gets a record, which status and drain count. The
 * interface that it arrived on is not known here; the search takes that of its local address. */
static __always_inline void on_established(struct bpf_sock_ops* ctx)
{
    __u32 side = rules_side();
    struct bpf_sock* sk = READ(ctx, sk);
    __u32 port = READ(ctx, local_port);
    __be16 listen_port = bpf_htons(port);
    const struct bp_rule* rule;
    struct bp_flow_key key = {};
    struct bp_record* record;
    __u32 entry, id;

    if (!sk) return;
    record = steered_record(sk, port);
    if (!record) return;
    entry = port_entry(side, BP_TCP, listen_port);
    if (!(entry & BP_PORT_LISTEN)) return;
    local_address(ctx, key.local);
    remote_address(ctx, key.peer);
    id = bp_rule_for(&key, entry, LOOPBACK_INDEX);
    rule = rules_get(side, id); /* 0: a rule of no engine */
    if (rule && rule->shares) {
        id = bp_accepting_share(id, listen_port, bpf_htons(record->bound_port));
        rule = rules_get(side, id);
    }
    if (!rule || !(rule->flags & BP_RULE_SOCKNAME_LISTEN)) record->flags |= BP_RECORD_NAME;
    if (!rule || rule->engine != BP_ENGINE_SKLOOKUP) return;
    record->listen_port = listen_port;
    record->rule = id;
    record->flags |= BP_RECORD_FLOW;
    count_connection(id);
}

SEC("sockops") int bp_listen(struct bpf_sock_ops* ctx)
{
    __u32 op = READ(ctx, op);

    /* ctx->reply is not changed: another program may have set it. */
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

/* -- bp_find: listeners that are older than the programs -- */

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

        /* A socket on another port was selected by bp_lookup. */
        if (listens && READ(sk, src_port) == bpf_ntohs(find.port)) store_found(sk, &find);
        bpf_sk_release(sk);
    }
    bpf_skb_store_bytes(skb, ETH_HEADER_LEN, &find, sizeof(find), 0);
    return TC_NEXT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
