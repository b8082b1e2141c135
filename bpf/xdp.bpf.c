// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The xdp engine: redirects packets of recorded flows in the driver, before the kernel allocates an
 * skb.
 *
 * It runs before the tc programs and admits no flow. Any packet that is not plainly one of a
 * recorded flow goes to tc unchanged: first packets, SYNs, ICMP errors, fragments, VLAN tags, IP
 * options, partial checksums. So a peer observes what it observes with tc, and where this program
 * doesn't run (lo, another path in a driver) only time is lost. Replies are rewritten at tc egress.
 *
 * One check is done here instead of in tc, which can't tell a datagram that was redirected here from
 * one that was sent to the target port: that the older use of a UDP flow wins (lib/decide.h).
 */
#include "bpfport/meta.h"
#include "lib/cookies.h"
#include "lib/count.h"
#include "lib/ctx.h"
#include "lib/flows.h"
#include "lib/l4.h"
#include "lib/rewrite.h"
#include "lib/rules.h"
#include "lib/trace.h"

/* Set by the loader for the program's interface. */
const volatile struct {
    __u8 address[ETH_ALEN]; /* frames to another address are not for this host */
    bool frags;             /* packets may have more than the linear part (Linux 5.18) */
} bp_xdp_device;

static __always_inline __u32 frame_length(struct xdp_md* xdp)
{
    if (bp_xdp_device.frags) return bpf_xdp_get_buff_len(xdp);
    return xdp_end(xdp) - xdp_data(xdp);
}

/* XDP has no skb->pkt_type. The parser has checked that there is an Ethernet header. */
static __always_inline bool for_this_host(const void* data, const void* end)
{
    const __u16* to = data;

    if ((const void*)(to + 3) > end) return false;
    for (int i = 0; i < 3; i++)
        if (to[i] != ((const volatile __u16*)bp_xdp_device.address)[i]) return false;
    return true;
}

/* The transport header; NULL: its fixed part is not linear. */
static __always_inline __u8* transport(struct xdp_md* xdp, const struct packet* p,
                                       const struct l4* l4)
{
    void* end = xdp_end(xdp);
    __u32 at = p->transport;

    if (at > MAX_HEADERS) return NULL;

    __u8* header = xdp_data(xdp) + bounded(at, HEADERS_MASK);

    return (void*)(header + l4->header) <= end ? header : NULL;
}

/* A datagram straight to a target port: its replies must not be translated, so the flow is recorded
 * as direct. If the flow is redirected and in use, or the target is exclusive, the datagram is
 * dropped, as by tc. */
static __always_inline int direct_datagram(struct xdp_md* xdp, const struct bp_flow_key* key,
                                           __u32 entry)
{
    struct bp_flow* flow = flow_lookup(BP_UDP, key);
    bool exclusive = entry & BP_PORT_ANY_EXCLUSIVE;

    if (flow && flow->listen_port && (exclusive || in_use(flow))) {
        struct pkt_info pkt = {.key = *key, .ifindex = READ(xdp, ingress_ifindex), .proto = BP_UDP};

        report_packet(&pkt, exclusive ? BP_OUTCOME_EXCLUSIVE : BP_OUTCOME_OLDER_REDIRECTED);
        return XDP_DROP;
    }
    /* tc decides which peers may send to an exclusive target. A flow that a socket of this host on
     * the listen port began belongs to that socket while it is in use (lib/reply.h). */
    if (exclusive ? !flow : flow && flow->target_port != key->target_port && in_use(flow))
        return XDP_PASS;
    if (flow || address_is_local(key->local))
        flow_store(BP_UDP, key, (struct bp_flow){0, key->target_port, 0, tick()});
    return XDP_PASS;
}

static __always_inline int xdp_in_matched(struct xdp_md* xdp, const struct packet* p,
                                          const struct l4* l4, const struct l4_ports* ports,
                                          __u32 entry, bool opens)
{
    __u32 side = rules_side();
    const struct bp_rule* rule;
    struct bp_flow_key key = {};
    struct bp_flow* flow;
    __u8* header;
    __u32 id;

    if (!for_this_host(xdp_data(xdp), xdp_end(xdp))) return XDP_PASS;
    if (!packet_addresses(p, xdp_data(xdp), xdp_end(xdp), key.peer, key.local)) return XDP_PASS;
    key.peer_port = ports->source;
    id = rules_find(side, entry, READ(xdp, ingress_ifindex), &key);
    rule = id ? rules_get(side, id) : NULL;
    if (!rule) {
        if (l4->proto != BP_UDP || !(entry & BP_PORT_TARGET)) return XDP_PASS;
        key.target_port = ports->destination;
        return direct_datagram(xdp, &key, entry);
    }
    if (rule->engine != BP_ENGINE_XDP) return XDP_PASS;
    /* A SYN goes to tc, even of a recorded flow: tc would take a rewritten one for a SYN to the
     * target port. */
    if (opens && (l4->proto == BP_TCP || (rule->flags & BP_RULE_RECHECK))) return XDP_PASS;
    /* tc must see the original port of a packet that may return a SYN cookie. */
    if (l4->proto == BP_TCP && cookies_in_use()) return XDP_PASS;
    key.target_port = rule_target(rule, ports->destination);
    flow = flow_lookup(l4->proto, &key);
    if (!flow || flow->listen_port != ports->destination) return XDP_PASS;
    if (chooses_anew(flow, rule, l4->proto, opens)) return XDP_PASS;
    if (l4->proto == BP_UDP) flow_used(flow);

    struct port_change change = {p->transport, DESTINATION_PORT, flow->listen_port,
                                 flow->target_port};

    header = transport(xdp, p, l4);
    if (header && rewrite_complete(header, p, l4, &key, &change))
        count_in(id, (struct weight){1, frame_length(xdp)});
    return XDP_PASS;
}

/* The loader sets BPF_F_XDP_HAS_FRAGS if the kernel has it: with SEC("xdp.frags") libbpf would
 * require it. */
SEC("xdp") int bp_xdp_in(struct xdp_md* xdp)
{
    struct packet p = {};
    struct l4 l4 = {.header = 20}; /* overwritten: for verifiers that lose track of a comparison */
    struct l4_ports ports;
    __u8* header;
    __u32 entry;

    if (!parse_simple(&p, xdp_data(xdp), xdp_end(xdp))) return XDP_PASS;
    if (!l4_of(&l4, p.protocol)) return XDP_PASS;
    header = transport(xdp, &p, &l4);
    if (!header) return XDP_PASS;
    ports = *(struct l4_ports*)header;
    entry = port_entry(rules_side(), l4.proto, ports.destination);
    if (!entry) return XDP_PASS;
    /* tc counts packets with inconsistent headers. */
    if (!p.l4_len || !l4_header_length(&l4, &p, header) ||
        p.transport + p.l4_len > frame_length(xdp))
        return XDP_PASS;
    return xdp_in_matched(xdp, &p, &l4, &ports, entry, l4_opens(&l4, header));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
