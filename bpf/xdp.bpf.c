// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The xdp engine: redirects packets of known flows in the driver, before the kernel makes an skb.
 *
 * It stands in front of the tc programs and decides nothing: whatever is not plainly a packet of a
 * flow that tc has admitted goes on to tc unchanged: first packets, SYNs, ICMP errors, fragments,
 * VLAN tags, IP options, partial checksums. So a peer observes under xdp what it observes under tc,
 * and where this program does not run (lo, a driver's other path) nothing is lost but time. Replies
 * take tc egress.
 *
 * One thing is taken over from tc, because tc can't tell a datagram redirected here from one that
 * was sent to the target port: that the older port wins (lib/after_xdp.h).
 */
#include "bpfport/meta.h"
#include "lib/cookies.h"
#include "lib/count.h"
#include "lib/flows.h"
#include "lib/l4.h"
#include "lib/rewrite_xdp.h"
#include "lib/rules.h"
#include "lib/trace.h"

/* Set by the loader for the interface the program is for. */
const volatile struct {
    __u8 address[ETH_ALEN]; /* frames to another one are not for this host */
    bool frags;             /* packets may have more than the linear part (5.18) */
} bp_xdp_device;

static __always_inline void* xdp_data(const struct xdp_md* xdp)
{
    void* data;

    READ_AS("u32", data, xdp, offsetof(struct xdp_md, data));
    return data;
}

static __always_inline void* xdp_end(const struct xdp_md* xdp)
{
    void* end;

    READ_AS("u32", end, xdp, offsetof(struct xdp_md, data_end));
    return end;
}

static __always_inline __u32 frame_length(struct xdp_md* xdp)
{
    if (bp_xdp_device.frags) return bpf_xdp_get_buff_len(xdp);
    return xdp_end(xdp) - xdp_data(xdp);
}

/* XDP has no skb->pkt_type. The frame has an Ethernet header: it was parsed. */
static __always_inline bool for_this_host(const void* data, const void* end)
{
    const __u16* to = data;

    if ((const void*)(to + 3) > end) return false;
    for (int i = 0; i < 3; i++)
        if (to[i] != ((const volatile __u16*)bp_xdp_device.address)[i]) return false;
    return true;
}

/* The transport header, all of its fixed part linear. NULL: not there. */
static __always_inline __u8* transport(struct xdp_md* xdp, const struct packet* p,
                                       const struct l4* l4)
{
    void* end = xdp_end(xdp);
    __u32 at = p->transport;

    if (at > MAX_HEADERS) return NULL;

    __u8* header = xdp_data(xdp) + bounded(at, HEADERS_MASK);

    return (void*)(header + l4->header) <= end ? header : NULL;
}

/* A datagram straight to a target port, whose replies must not be translated, unless its flow is a
 * redirected one in use: then its peer gets no answer. Neither does that of an exclusive target, as
 * from tc. */
static __always_inline int direct_datagram(struct xdp_md* xdp, const struct bp_flow_key* key,
                                           __u16 slot)
{
    struct bp_flow* flow = flow_lookup(BP_UDP, key);
    bool exclusive = slot & BP_PORT_ANY_EXCLUSIVE;

    if (flow && flow->listen_port && (exclusive || in_use(flow))) {
        struct query q = {.key = *key, .ifindex = READ(xdp, ingress_ifindex), .proto = BP_UDP};

        note_query(&q, exclusive ? BP_OUTCOME_EXCLUSIVE : BP_OUTCOME_OLDER_REDIRECTED);
        return XDP_DROP;
    }
    /* tc says who may talk to an exclusive target; what this host sends from the listen port has the
     * flow for as long as it is in use (own.h). */
    if (exclusive ? !flow : flow && flow->target_port != key->target_port && in_use(flow))
        return XDP_PASS;
    if (flow || address_is_own(key->local))
        flow_store(BP_UDP, key, (struct bp_flow){0, key->target_port, 0, tick()});
    return XDP_PASS;
}

/* The rule that a packet to `local` takes; 0: none. */
static __always_inline __u32 find_rule(const struct bp_table_side* side, __u16 slot, __u32 ifindex,
                                       const struct bp_flow_key* key)
{
    __u32 id = slot & BP_PORT_SET ? find_rule_quickly(side, slot, ifindex) : 0;
    struct query* q;

    if (id != ASK_IN_FULL) return id;
    q = query();
    if (!q) return 0;
    q->key = *key;
    q->ifindex = ifindex;
    return bp_find_rule(slot);
}

static __always_inline int xdp_in_matched(struct xdp_md* xdp, const struct packet* p,
                                          const struct l4* l4, const struct ports* ports,
                                          __u16 slot, bool opens)
{
    const struct bp_table_side* side = rules_side();
    struct bp_flow_key key = {};
    struct bp_flow* flow;
    __u8* header;
    __u32 id;

    if (!for_this_host(xdp_data(xdp), xdp_end(xdp))) return XDP_PASS;
    if (!packet_addresses(p, xdp_data(xdp), xdp_end(xdp), key.peer, key.local)) return XDP_PASS;
    key.peer_port = ports->source;
    id = find_rule(side, slot, READ(xdp, ingress_ifindex), &key);
    if (!id) {
        if (l4->proto != BP_UDP || !(slot & BP_PORT_TARGET)) return XDP_PASS;
        key.target_port = ports->destination;
        return direct_datagram(xdp, &key, slot);
    }

    const struct bp_rule* rule = rules_get(side, id);

    if (rule->engine != BP_ENGINE_XDP) return XDP_PASS;
    /* A SYN is tc's, known or not: rewritten, it would be one to the target port for tc. */
    if (opens && (l4->proto == BP_TCP || (rule->flags & BP_RULE_RECHECK))) return XDP_PASS;
    /* Nor may it take what brings a cookie back for a direct client's. */
    if (l4->proto == BP_TCP && cookies_in_use()) return XDP_PASS;
    key.target_port = rule_target(rule, ports->destination);
    flow = flow_lookup(l4->proto, &key);
    if (!flow || flow->listen_port != ports->destination) return XDP_PASS;
    if (l4->proto == BP_UDP) flow_used(flow);

    struct port_change change = {p->transport, DESTINATION_PORT, flow->listen_port,
                                 flow->target_port};

    header = transport(xdp, p, l4);
    if (header && rewrite_complete(header, p, l4, &key, &change))
        count_in(id, (struct weight){1, frame_length(xdp)});
    return XDP_PASS;
}

/* The loader says xdp.frags where the kernel knows it: libbpf would insist. */
SEC("xdp") int bp_xdp_in(struct xdp_md* xdp)
{
    struct packet p = {};
    struct l4 l4 = {.header = 20}; /* never read so: for verifiers that forget a comparison */
    struct ports ports;
    __u8* header;
    __u16 slot;

    if (!parse_straight(&p, xdp_data(xdp), xdp_end(xdp))) return XDP_PASS;
    if (!l4_of(&l4, p.protocol)) return XDP_PASS;
    header = transport(xdp, &p, &l4);
    if (!header) return XDP_PASS;
    ports = *(struct ports*)header;
    slot = rules_slot(rules_side(), l4.proto, ports.destination);
    if (!slot) return XDP_PASS;
    /* Headers that contradict themselves are tc's to count. */
    if (!p.claimed || !l4_header_length(&l4, &p, header) ||
        p.transport + p.claimed > frame_length(xdp))
        return XDP_PASS;
    return xdp_in_matched(xdp, &p, &l4, &ports, slot, l4_opens(&l4, header));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
