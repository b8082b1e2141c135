// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The tc engine: rewrites the destination port of what arrives for a listen port, and the source
 * port of the replies. Built twice, with direct writes and with helpers (lib/rewrite.h), and each
 * with and without an Ethernet header. The same programs serve every interface of a netns and lo.
 *
 * An unmatched packet costs the parse and one load from the table, and no helper call.
 */
#include "lib/decide.h"
#include "lib/icmp.h"
#include "lib/mark.h"
#include "lib/parse.h"
#include "lib/refuse.h"
#include "lib/reply.h"
#include "lib/rewrite.h"

#define OUTGOING (1 << 16) /* to be or-ed to a happening() */

/* Tells who watches of a packet that is no query: its addresses are read for this alone. `ports` are
 * bp_event's peer, listen and target port, 16 bits each. */
GLOBAL int bp_tell(struct __sk_buff* skb, __u64 packed, __u64 ports, __u32 rule, __u32 what)
{
    struct query q = {};
    struct packet p;
    bool outgoing = what & OUTGOING;

    if (packet_unpack(&p, packed) == PARSED) {
        packet_addresses(&p, skb_data(skb), skb_end(skb), outgoing ? q.key.local : q.key.peer,
                         outgoing ? q.key.peer : q.key.local);
        q.proto = p.protocol == IPPROTO_UDP ? BP_UDP : BP_TCP;
    }
    q.key.peer_port = ports;
    q.listen_port = ports >> 16;
    q.target_port = ports >> 32;
    q.rule = rule;
    q.ifindex = READ(skb, ifindex);
    return ask(&q) ? bp_trace(what) : 0;
}

static __always_inline __u64 tell_ports(__be16 peer, __be16 listen, __be16 target)
{
    return peer | (__u32)listen << 16 | (__u64)target << 32;
}

static __always_inline int not_parsed(struct __sk_buff* skb, enum parsed parsed)
{
    if (parsed == PARSED_OTHER) return TC_NEXT;
    count_outcome(BP_OUTCOME_MALFORMED);
    if (watched())
        bp_tell(skb, PARSED_OTHER, 0, 0, happening(BP_EVENT_OUTCOME, BP_OUTCOME_MALFORMED));
    return TC_NEXT;
}

/* An ICMP error leaves the flow that it is about in the query. */
static __always_inline int translated(int outcome)
{
    if (outcome != NO_OUTCOME) note(outcome);
    return TC_NEXT;
}

static __always_inline int carry_out(struct __sk_buff* skb, const struct packet* p, int verdict)
{
    if (verdict == REFUSE) return bp_refuse(skb, packet_pack(p, PARSED));
    if (verdict == EVICT) {
        mark(skb); /* a bridge's hook would take it for a packet straight to the target port */
        return bp_evict(skb, packet_pack(p, PARSED));
    }
    return verdict == DISCARD ? TC_DROP : TC_NEXT;
}

/* A packet whose destination port has a slot in the table. */
static __always_inline int tc_in_matched(struct __sk_buff* skb, struct packet* p,
                                         const struct l4* l4, const struct ports* ports, __u16 slot,
                                         bool ethernet)
{
    const struct bp_table_side* side = rules_side();
    struct query q = {};
    __u8* header = transport(skb, p, l4->header);
    __u32 header_length;
    __u32 id;

    if (ethernet && READ(skb, pkt_type) != PACKET_FOR_HOST) {
        count_outcome(BP_OUTCOME_OTHER_HOST);
        if (watched())
            bp_tell(skb, packet_pack(p, PARSED), tell_ports(ports->source, ports->destination, 0),
                    0, happening(BP_EVENT_OUTCOME, BP_OUTCOME_OTHER_HOST));
        return TC_NEXT;
    }
    if (!header || !(header_length = l4_header_length(l4, p, header)) ||
        p->transport + p->claimed > READ(skb, len))
        return not_parsed(skb, PARSED_MALFORMED);
    q.opens = l4_opens(l4, header);
    if (!packet_addresses(p, skb_data(skb), skb_end(skb), q.key.peer, q.key.local))
        return not_parsed(skb, PARSED_MALFORMED);
    q.key.peer_port = ports->source;
    q.listen_port = ports->destination;
    q.proto = l4->proto;
    q.ifindex = READ(skb, ifindex);
    q.slot = slot;
    q.transport = p->transport;

    struct bp_flow* flow = NULL;

    id = slot & BP_PORT_SET ? find_rule_quickly(side, slot, q.ifindex) : 0;
    if (!id && (slot & BP_PORT_TARGET) && !q.opens) {
        if (cookies_in_use() && ask(&q)) bp_end_hint(skb);
        return TC_NEXT;
    }
    if (id && id != ASK_IN_FULL) {
        const struct bp_rule* rule = rules_get(side, id);

        if (!wrong_vlan(skb, p, rule)) {
            q.key.target_port = rule_target(rule, q.listen_port);
            if (rule->engine != BP_ENGINE_SKLOOKUP || stands_in(&q, rule))
                flow = flow_lookup(q.proto, &q.key);
            else if (q.proto == BP_TCP)
                return TC_NEXT;
            if (!is_settled(flow, &q, rule)) flow = NULL;
        }
    }
    if (flow) {
        q.target_port = flow->target_port;
        if (q.proto == BP_UDP) flow_used(flow);
    } else {
        struct query* asked = ask(&q);
        int verdict = asked ? bp_decide(skb, packet_pack(p, PARSED)) : LEAVE;

        if (!asked || verdict != REDIRECT) return carry_out(skb, p, verdict);
        q.target_port = asked->target_port;
        id = asked->rule;
    }
    q.rule = id;

    struct port_change change = {p->transport, DESTINATION_PORT, q.listen_port, q.target_port};

    if (rewrite_port(skb, l4, &change)) {
        mark(skb);
        count_in(id, weigh(READ(skb, len), READ(skb, gso_segs), p->transport + header_length));
    } else {
        note_query(&q, BP_OUTCOME_WRITE_FAILED);
    }
    return TC_NEXT;
}

static __always_inline int tc_in(struct __sk_buff* skb, __u32 link_header)
{
    struct packet p = {};
    struct l4 l4 = {.header = 20}; /* never read so: for verifiers that forget a comparison */
    struct ports ports = {};
    enum parsed parsed = find_ports(skb, link_header, &p, &l4, &ports);
    __u16 slot;

    if (parsed != PARSED) return not_parsed(skb, parsed);
    if (packet_is_icmp(&p)) {
        if (link_header && READ(skb, pkt_type) != PACKET_FOR_HOST) return TC_NEXT;
        return translated(bp_icmp_in(skb, packet_pack(&p, PARSED)));
    }
    slot = rules_slot(rules_side(), l4.proto, ports.destination);
    if (!slot || asleep(slot) || is_marked(skb)) return TC_NEXT;
    return tc_in_matched(skb, &p, &l4, &ports, slot, link_header != 0);
}

static __always_inline void write_failed(struct __sk_buff* skb, const struct packet* p, __u64 ports)
{
    count_outcome(BP_OUTCOME_WRITE_FAILED);
    if (watched())
        bp_tell(skb, packet_pack(p, PARSED), ports, 0,
                OUTGOING | happening(BP_EVENT_OUTCOME, BP_OUTCOME_WRITE_FAILED));
}

static __always_inline int tc_out_matched(struct __sk_buff* skb, struct packet* p,
                                          const struct l4* l4, const struct ports* ports,
                                          __u16 slot)
{
    struct bpf_sock* sk = NULL;
    struct bp_record* record = NULL;
    struct bp_flow flow = {};
    __u8* header;

    if (READ(skb, ingress_ifindex)) {
        if (!(slot & BP_PORT_FORWARDED)) return TC_NEXT; /* another host's, or a container's */
    } else {
        sk = sender(skb, l4);
        if (sk) record = bpf_sk_storage_get(&bp_records, sk, 0, 0);
    }
    if (record) {
        flow.listen_port = record->listen_port;
        flow.rule = record->rule;
    } else {
        if (!flow_of_reply(skb, p, l4, ports, slot, &flow)) flow.listen_port = 0;
        if (sk && is_connection(sk, ports->source)) {
            struct bp_record first = {flow.listen_port, flow.rule};

            /* On failure (no memory) the next packet tries again, by the hint. */
            if (bpf_sk_storage_get(&bp_records, sk, &first, BPF_SK_STORAGE_GET_F_CREATE) &&
                flow.listen_port) {
                count_connection(flow.rule);
                if (watched())
                    bp_tell(skb, packet_pack(p, PARSED),
                            tell_ports(ports->destination, flow.listen_port, ports->source),
                            flow.rule, OUTGOING | happening(BP_EVENT_CONNECTION, 0));
            }
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
        write_failed(skb, p, tell_ports(ports->destination, flow.listen_port, ports->source));
    return TC_NEXT;
}

static __always_inline int tc_out(struct __sk_buff* skb, __u32 link_header)
{
    struct packet p = {};
    struct l4 l4 = {.header = 20}; /* never read so: for verifiers that forget a comparison */
    struct ports ports = {};
    enum parsed parsed = find_ports(skb, link_header, &p, &l4, &ports);
    __u16 slot;

    if (parsed != PARSED) {
        if (parsed == PARSED_OTHER && any_fragmented()) bp_later_fragment(skb, link_header);
        return not_parsed(skb, parsed);
    }
    if (packet_is_icmp(&p)) {
        return translated(bp_icmp_out(skb, packet_pack(&p, PARSED)));
    }
    slot = rules_slot(rules_side(), l4.proto, ports.source);
    if (!(slot & BP_PORT_TARGET)) {
        if (slot && l4.proto == BP_UDP && !READ(skb, ingress_ifindex))
            bp_note_own(skb, packet_pack(&p, PARSED), slot);
        return TC_NEXT;
    }
    return tc_out_matched(skb, &p, &l4, &ports, slot);
}

SEC("tc") int bp_tc_in(struct __sk_buff* skb) { return tc_in(skb, ETH_HEADER_LEN); }
SEC("tc") int bp_tc_out(struct __sk_buff* skb) { return tc_out(skb, ETH_HEADER_LEN); }
SEC("tc") int bp_tc_in_l3(struct __sk_buff* skb) { return tc_in(skb, 0); }
SEC("tc") int bp_tc_out_l3(struct __sk_buff* skb) { return tc_out(skb, 0); }

char LICENSE[] SEC("license") = "Dual BSD/GPL";
