// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The tc engine: rewrites the destination port of packets to a listen port, and the source port of
 * the replies. Built twice, with direct writes and with helpers (lib/rewrite.h); each object has
 * programs for devices with and without an Ethernet header. The same programs serve every interface
 * of a network namespace, and lo.
 *
 * A packet to a port without an entry costs the parse and one load from the table, and no helper
 * call.
 */
#include "lib/decide.h"
#include "lib/icmp.h"
#include "lib/parse.h"
#include "lib/reply.h"
#include "lib/rewrite.h"
#include "lib/tcp_reset.h"

const volatile __u16 bp_seen_tag = 0;

#define OUTGOING (1 << 16) /* or-ed to an event_kind() */

/* Writes an event about a packet whose addresses were not read yet. `ports`: event_ports(). */
GLOBAL int bp_trace_packet(struct __sk_buff* skb, __u64 packed, __u64 ports, __u32 rule, __u32 kind)
{
    struct pkt_info pkt = {};
    struct packet p;
    bool outgoing = kind & OUTGOING;

    if (packet_unpack(&p, packed) == PARSED) {
        packet_addresses(&p, skb_data(skb), skb_end(skb), outgoing ? pkt.key.local : pkt.key.peer,
                         outgoing ? pkt.key.peer : pkt.key.local);
        pkt.proto = p.protocol == IPPROTO_UDP ? BP_UDP : BP_TCP;
    }
    pkt.key.peer_port = ports;
    pkt.orig_port = ports >> 16;
    pkt.target_port = ports >> 32;
    pkt.rule = rule;
    pkt.ifindex = READ(skb, ifindex);
    return pkt_info_store(&pkt) ? bp_trace(kind) : 0;
}

static __always_inline __u64 event_ports(__be16 peer, __be16 listen, __be16 target)
{
    return peer | (__u32)listen << 16 | (__u64)target << 32;
}

static __always_inline int not_parsed(struct __sk_buff* skb, enum parsed parsed)
{
    if (parsed == PARSED_OTHER) return TC_NEXT;
    count_outcome(BP_OUTCOME_MALFORMED);
    if (tracing())
        bp_trace_packet(skb, PARSED_OTHER, 0, 0,
                        event_kind(BP_EVENT_OUTCOME, BP_OUTCOME_MALFORMED));
    return TC_NEXT;
}

/* `outcome`: of bp_icmp_in() or bp_icmp_out(), which leave the flow of the error in pkt_info(). */
static __always_inline int translated(int outcome)
{
    if (outcome != NO_OUTCOME) report(outcome);
    return TC_NEXT;
}

static __always_inline int apply_verdict(struct __sk_buff* skb, const struct packet* p, int verdict)
{
    if (verdict == SEND_RESET) return bp_send_reset(skb, packet_pack(p, PARSED));
    if (verdict == END_HANDSHAKE) {
        set_seen_tag(
            skb); /* a bridge's hook would take it for a packet straight to the target port */
        return bp_end_handshake(skb, packet_pack(p, PARSED));
    }
    return verdict == DROP ? TC_DROP : TC_NEXT;
}

/* A packet whose destination port has an entry in the table. */
static __always_inline int tc_in_matched(struct __sk_buff* skb, struct packet* p,
                                         const struct l4* l4, const struct l4_ports* ports,
                                         __u32 entry, bool ethernet)
{
    struct pkt_info pkt = {};
    __u8* header = transport(skb, p, l4->header);
    __u32 header_length;

    if (ethernet && READ(skb, pkt_type) != PACKET_FOR_HOST) {
        count_outcome(BP_OUTCOME_OTHER_HOST);
        if (tracing())
            bp_trace_packet(skb, packet_pack(p, PARSED),
                            event_ports(ports->source, ports->destination, 0), 0,
                            event_kind(BP_EVENT_OUTCOME, BP_OUTCOME_OTHER_HOST));
        return TC_NEXT;
    }
    if (!header || !(header_length = l4_header_length(l4, p, header)) ||
        p->transport + p->l4_len > READ(skb, len))
        return not_parsed(skb, PARSED_MALFORMED);
    pkt.opens = l4_opens(l4, header);
    if (!packet_addresses(p, skb_data(skb), skb_end(skb), pkt.key.peer, pkt.key.local))
        return not_parsed(skb, PARSED_MALFORMED);
    pkt.key.peer_port = ports->source;
    pkt.orig_port = ports->destination;
    pkt.proto = l4->proto;
    pkt.ifindex = READ(skb, ifindex);
    pkt.entry = entry;
    pkt.transport = p->transport;

    const struct bp_rule* rule;
    struct bp_flow* flow = NULL;

    if (!(entry & BP_PORT_LISTEN) && !pkt.opens) { /* straight to a target port */
        if (cookies_in_use() && pkt_info_store(&pkt)) bp_end_hint(skb);
        return TC_NEXT;
    }
    rule = rules_usual(rules_side(), entry, &pkt);
    if (rule) {
        if (!wrong_vlan(skb, p, rule)) {
            pkt.key.target_port = rule_target(rule, pkt.orig_port);
            if (rule->engine != BP_ENGINE_SKLOOKUP || fallback_serves(&pkt, rule))
                flow = flow_lookup(pkt.proto, &pkt.key);
            else if (pkt.proto == BP_TCP)
                return TC_NEXT;
            if (!is_recorded(flow, &pkt, rule)) flow = NULL;
        }
    }
    if (flow) {
        pkt.target_port = flow->target_port;
        if (pkt.proto == BP_UDP) flow_used(flow);
    } else {
        struct pkt_info* stored = pkt_info_store(&pkt);
        int verdict = stored ? bp_decide(skb, packet_pack(p, PARSED)) : LEAVE;

        if (!stored || verdict != REDIRECT) return apply_verdict(skb, p, verdict);
        pkt.target_port = stored->target_port;
        pkt.rule = stored->rule;
    }

    struct port_change change = {p->transport, DESTINATION_PORT, pkt.orig_port, pkt.target_port};

    if (rewrite_port(skb, l4, &change)) {
        set_seen_tag(skb);
        count_in(pkt.rule,
                 weigh(READ(skb, len), READ(skb, gso_segs), p->transport + header_length));
    } else {
        report_packet(&pkt, BP_OUTCOME_WRITE_FAILED);
    }
    return TC_NEXT;
}

static __always_inline int tc_in(struct __sk_buff* skb, __u32 link_header)
{
    struct packet p = {};
    struct l4 l4 = {.header = 20}; /* overwritten: for verifiers that lose track of a comparison */
    struct l4_ports ports = {};
    enum parsed parsed = find_ports(skb, link_header, &p, &l4, &ports);
    __u32 entry;

    if (parsed != PARSED) return not_parsed(skb, parsed);
    if (packet_is_icmp(&p)) {
        if (link_header && READ(skb, pkt_type) != PACKET_FOR_HOST) return TC_NEXT;
        return translated(bp_icmp_in(skb, packet_pack(&p, PARSED)));
    }
    entry = port_entry(rules_side(), l4.proto, ports.destination);
    if (!entry || fallback_idle(entry) || has_seen_tag(skb)) return TC_NEXT;
    return tc_in_matched(skb, &p, &l4, &ports, entry, link_header != 0);
}

static __always_inline void write_failed(struct __sk_buff* skb, const struct packet* p, __u64 ports)
{
    count_outcome(BP_OUTCOME_WRITE_FAILED);
    if (tracing())
        bp_trace_packet(skb, packet_pack(p, PARSED), ports, 0,
                        OUTGOING | event_kind(BP_EVENT_OUTCOME, BP_OUTCOME_WRITE_FAILED));
}

static __always_inline int tc_out_matched(struct __sk_buff* skb, struct packet* p,
                                          const struct l4* l4, const struct l4_ports* ports,
                                          __u32 entry)
{
    struct bpf_sock* sk = NULL;
    struct bp_record* record = NULL;
    struct bp_flow flow = {};
    __u8* header;

    if (READ(skb, ingress_ifindex)) {
        if (!(entry & BP_PORT_FORWARDED)) return TC_NEXT; /* of another host or a container */
    } else {
        sk = sender(skb, l4);
        if (sk) record = flow_record(sk);
    }
    if (record) {
        flow.listen_port = record->listen_port;
        flow.rule = record->rule;
    } else {
        if (!flow_of_reply(skb, p, l4, ports, entry, &flow)) flow.listen_port = 0;
        /* If there is no memory the next packet tries again, with the hint. */
        if (sk && is_connection(sk, ports->source) &&
            record_connection(sk, flow.listen_port, flow.rule) && flow.listen_port) {
            count_connection(flow.rule);
            if (tracing())
                bp_trace_packet(skb, packet_pack(p, PARSED),
                                event_ports(ports->destination, flow.listen_port, ports->source),
                                flow.rule, OUTGOING | event_kind(BP_EVENT_CONNECTION, 0));
        }
    }
    if (!flow.listen_port) return TC_NEXT;

    header = transport(skb, p, l4->header);
    if (!header) return TC_NEXT;

    struct port_change change = {p->transport, SOURCE_PORT, ports->source, flow.listen_port};
    __u32 headers = p->transport + l4_header_length(l4, p, header);

    if (rewrite_port(skb, l4, &change))
        count_out(flow.rule, weigh(READ(skb, len), READ(skb, gso_segs), headers));
    else
        write_failed(skb, p, event_ports(ports->destination, flow.listen_port, ports->source));
    return TC_NEXT;
}

static __always_inline int tc_out(struct __sk_buff* skb, __u32 link_header)
{
    struct packet p = {};
    struct l4 l4 = {.header = 20}; /* overwritten: for verifiers that lose track of a comparison */
    struct l4_ports ports = {};
    enum parsed parsed = find_ports(skb, link_header, &p, &l4, &ports);
    __u32 entry;

    if (parsed != PARSED) {
        if (parsed == PARSED_OTHER && any_fragmented()) bp_later_fragment(skb, link_header);
        return not_parsed(skb, parsed);
    }
    if (packet_is_icmp(&p)) {
        return translated(bp_icmp_out(skb, packet_pack(&p, PARSED)));
    }
    entry = port_entry(rules_side(), l4.proto, ports.source);
    if (!(entry & BP_PORT_TARGET)) {
        if (entry && l4.proto == BP_UDP && !READ(skb, ingress_ifindex))
            bp_record_own(skb, packet_pack(&p, PARSED), entry);
        return TC_NEXT;
    }
    return tc_out_matched(skb, &p, &l4, &ports, entry);
}

static __always_inline int in(struct __sk_buff* skb, __u32 link_header)
{
    return tc_unused() ? TC_NEXT : tc_in(skb, link_header);
}

static __always_inline int out(struct __sk_buff* skb, __u32 link_header)
{
    return tc_unused() ? TC_NEXT : tc_out(skb, link_header);
}

SEC("tc") int bp_tc_in(struct __sk_buff* skb) { return in(skb, ETH_HEADER_LEN); }
SEC("tc") int bp_tc_out(struct __sk_buff* skb) { return out(skb, ETH_HEADER_LEN); }
SEC("tc") int bp_tc_in_l3(struct __sk_buff* skb) { return in(skb, 0); }
SEC("tc") int bp_tc_out_l3(struct __sk_buff* skb) { return out(skb, 0); }

char LICENSE[] SEC("license") = "Dual BSD/GPL";
