// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "prog/oracle.hpp"

#include <algorithm>

#include "prog/oracle_frame.hpp"

namespace bpfport::test {

bool OraclePrefix::has(const Address& other) const {
    const ByteView left = address.bytes(), right = other.bytes();
    if (left.size() != right.size()) return false;
    for (unsigned bit = 0; bit < bits && bit / 8 < left.size(); bit++)
        if (((left[bit / 8] ^ right[bit / 8]) >> (7 - bit % 8) & 1) != 0) return false;
    return true;
}

bool OracleRule::is_for(const Address& client) const {
    const auto has = [&](const OraclePrefix& prefix) { return prefix.has(client); };
    return (clients.empty() || std::ranges::any_of(clients, has)) &&
           std::ranges::none_of(not_clients, has);
}

const OracleRule* Oracle::rule_for(bool udp, const Address& to, const Address& peer,
                                   unsigned port) const {
    const auto covers = [&](const OracleRule& rule) {
        return rule.udp == udp && rule.listen_first <= port && port <= rule.listen_last &&
               (!rule.local || rule.local->has(to)) && (rule.only || rule.is_for(peer));
    };
    const auto found = std::ranges::find_if(rules_, covers);
    return found == rules_.end() ? nullptr : &*found;
}

bool Oracle::is_target(bool udp, unsigned port) const {
    return std::ranges::any_of(rules_, [&](const OracleRule& rule) {
        return rule.udp == udp && rule.target(rule.listen_first) <= port &&
               port <= rule.target(rule.listen_last);
    });
}

Answer Oracle::in(const Bytes& frame) {
    const auto [ip, tagged] = read_frame(frame);
    if (ip.problem) return {frame, ip.problem};
    if (!std::equal(own_mac_.begin(), own_mac_.end(), frame.begin()))
        return {frame, "another host's"};
    if (ip.icmp()) return in_error(frame, ip);
    if (!ip.has_ports()) return {frame, "no ports"};
    if (ip.l4 > kFarthest || ip.l4 + ip.header() > frame.size()) return {frame, "ports are cut"};
    const unsigned sport = read16(frame, ip.l4), dport = read16(frame, ip.l4 + 2);
    if (contradicts(frame, ip)) return {frame, "contradicts itself"};

    const OracleRule* rule = rule_for(ip.udp(), ip.dst, ip.src, dport);
    const bool opens = ip.udp() || (frame[ip.l4 + 13] & 0x16U) == 0x02;
    if (!rule) {
        if (!is_target(ip.udp(), dport) || !opens) return {frame, "no rule"};
        const Flow flow{ip.udp(), ip.src.text(), ip.dst.text(), sport, dport};
        if (ip.udp()) return in_direct(frame, ip, flow);
        flows_.erase(flow);
        return {frame, "a direct client"};
    }
    if (tagged && !rule->vlan) return {frame, "tagged"};
    if (!rule->is_for(ip.src)) return {frame, "another client's"};
    const unsigned target = rule->target(dport);
    const Flow flow{ip.udp(), ip.src.text(), ip.dst.text(), sport, target};
    const auto known = flows_.find(flow);
    if (known == flows_.end() || known->second.listen != dport) {
        if (is_multicast(ip.dst)) return {frame, "multicast"};
        if (known != flows_.end() && known->second.listen == 0 && known->second.goes == dport)
            return {frame, "an answer to this host's own socket"};
        if (ip.udp() && known != flows_.end()) return {frame, "another port's", true};
        if (ip.udp()) asked_[{true, flow.peer, "", sport, target}] = ip.dst;
    }
    flows_[flow] = {dport, target};
    return {with_port(frame, ip, ip.l4 + 2, target), "redirected"};
}

// The older use of a flow wins; a flow of this host's own socket disturbs nobody.
Answer Oracle::in_direct(const Bytes& frame, const Reading& ip, const Flow& flow) {
    if (is_multicast(ip.dst)) return {frame, "multicast"};
    const auto known = flows_.try_emplace(flow, Use{0, flow.target}).first;
    if (known->second.listen != 0) return {frame, "a listen port's", true};
    return {frame, "a direct client"};
}

Answer Oracle::out(const Bytes& frame, Offload offload) {
    const Reading ip = read_frame(frame).ip;
    if (ip.problem)
        return ip.problem == std::string_view("later fragment") ? out_later_fragment(frame)
                                                                : Answer{frame, ip.problem};
    if (ip.icmp()) return out_error(frame, ip);
    if (!ip.has_ports()) return {frame, "no ports"};
    if (ip.l4 > kFarthest || ip.l4 + ip.header() > frame.size()) return {frame, "ports are cut"};
    const unsigned sport = read16(frame, ip.l4), dport = read16(frame, ip.l4 + 2);
    if (!is_target(ip.udp(), sport)) {
        if (ip.udp()) note_own(ip, sport, dport);
        return {frame, "from another port"};
    }
    const auto flow = flows_.find({ip.udp(), ip.dst.text(), ip.src.text(), dport, sport});
    if (flow == flows_.end())
        return ip.udp() ? out_as_asked(frame, ip, offload) : Answer{frame, "not on record"};
    if (flow->second.listen == 0) return {frame, "to a direct client"};
    Bytes after = with_port(frame, ip, ip.l4, flow->second.listen);
    if (ip.udp() && offload == Offload::kToBeCut)
        write16(after, ip.checksum(), read16(frame, ip.checksum()));
    return {std::move(after), "translated back"};
}

// A query of this host's: the answer is for the program that sent it, unless the peer is a client.
void Oracle::note_own(const Reading& ip, unsigned sport, unsigned dport) {
    const OracleRule* rule = rule_for(true, ip.src, ip.dst, sport);
    if (!rule) return;
    const unsigned target = rule->target(sport);
    const auto known =
        flows_.try_emplace({true, ip.dst.text(), ip.src.text(), dport, target}).first;
    if (known->second.listen != sport) known->second = {0, sport};
}

// A reply of a server on the wildcard, from another address than was asked.
Answer Oracle::out_as_asked(const Bytes& frame, const Reading& ip, Offload offload) {
    const unsigned sport = read16(frame, ip.l4), dport = read16(frame, ip.l4 + 2);
    const bool to_be_cut = offload == Offload::kToBeCut;
    const auto asked = asked_.find({true, ip.dst.text(), "", dport, sport});
    if (asked == asked_.end()) return {frame, "not on record"};
    const auto flow = flows_.find({true, ip.dst.text(), asked->second.text(), dport, sport});
    if (flow == flows_.end() || flow->second.listen == 0) return {frame, "no longer on record"};
    if (ip.fragment) {
        if (ip.ipv6 && (frame[ip.at + 6] != IPPROTO_FRAGMENT || frame[ip.at + 40] != IPPROTO_UDP))
            return {frame, "in fragments as the kernel makes none"};
        const unsigned id = ip.ipv6 ? read16(frame, ip.at + 44) << 16U | read16(frame, ip.at + 46)
                                    : read16(frame, ip.at + 4);
        cut_[{ip.src.text(), ip.dst.text(), id}] = asked->second;
    }
    Bytes after = with_source(frame, ip.at, asked->second, ip.checksum(), to_be_cut);
    const unsigned sum = read16(after, ip.checksum());
    after = with_port(std::move(after), ip, ip.l4, flow->second.listen);
    if (to_be_cut) write16(after, ip.checksum(), sum);
    return {std::move(after), "answers as it was asked"};
}

// It goes where its datagram's first fragment went. Looked at only in frames without a tag.
Answer Oracle::out_later_fragment(const Bytes& frame) const {
    constexpr std::size_t at = 14;
    const bool ipv6 = frame[at] >> 4U == 6;
    if (read16(frame, 12) != (ipv6 ? 0x86dd : 0x0800)) return {frame, "a later fragment, tagged"};
    if (ipv6 && (frame[at + 6] != IPPROTO_FRAGMENT || frame.size() < at + 48))
        return {frame, "not as the kernel makes them"};
    if (frame[at + (ipv6 ? 40 : 9)] != IPPROTO_UDP) return {frame, "of another protocol"};
    const ByteView ip = ByteView(frame).subspan(at);
    const unsigned id = ipv6 ? read16(ip, 44) << 16U | read16(ip, 46) : read16(ip, 4);
    const auto cut =
        cut_.find({Address::from_bytes(ip.subspan(ipv6 ? 8 : 12, ipv6 ? 16 : 4)).text(),
                   Address::from_bytes(ip.subspan(ipv6 ? 24 : 16, ipv6 ? 16 : 4)).text(), id});
    if (cut == cut_.end()) return {frame, "a later fragment"};
    return {with_source(frame, at, cut->second), "a later fragment of a reply"};
}

// A router quotes our reply: its source port was a listen port on the wire.
Answer Oracle::in_error(const Bytes& frame, const Reading& error) const {
    const auto quote = quoted(frame, error);
    if (!quote) return {frame, "quotes nothing"};
    const unsigned sport = read16(frame, quote->l4), dport = read16(frame, quote->l4 + 2);
    for (const OracleRule& rule : rules_) {
        if (rule.udp != quote->udp() || sport < rule.listen_first || sport > rule.listen_last)
            continue;
        const unsigned target = rule.target(sport);
        const auto flow =
            flows_.find({rule.udp, quote->dst.text(), quote->src.text(), dport, target});
        if (flow == flows_.end() || flow->second.listen != sport) continue;
        return {with_quoted_port(frame, error, *quote, quote->l4, target), "quote of a reply"};
    }
    return {frame, "quotes a stranger"};
}

// We quote a client's packet, as it was after its redirection.
Answer Oracle::out_error(const Bytes& frame, const Reading& error) const {
    const auto quote = quoted(frame, error);
    if (!quote) return {frame, "quotes nothing"};
    const unsigned sport = read16(frame, quote->l4), dport = read16(frame, quote->l4 + 2);
    const auto flow =
        flows_.find({quote->udp(), quote->src.text(), quote->dst.text(), sport, dport});
    if (!is_target(quote->udp(), dport) || flow == flows_.end() || flow->second.listen == 0)
        return {frame, "quotes a stranger"};
    return {with_quoted_port(frame, error, *quote, quote->l4 + 2, flow->second.listen),
            "quote of a client"};
}

} // namespace bpfport::test
