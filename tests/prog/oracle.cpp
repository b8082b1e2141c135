// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "prog/oracle.hpp"

#include <netinet/in.h>

#include <algorithm>

namespace bpfport::test {

// An IP packet as far as ports are concerned; `problem` says why there are none.
struct Reading {
    const char* problem = nullptr;
    bool ipv6 = false;
    bool fragment = false;
    std::uint8_t protocol = 0;
    std::size_t l4 = 0;                   // offset
    std::optional<std::size_t> claimed{}; // bytes from there on that the IP header speaks of
    Address src, dst;

    [[nodiscard]] bool udp() const { return protocol == IPPROTO_UDP; }
    [[nodiscard]] bool has_ports() const { return udp() || protocol == IPPROTO_TCP; }
    [[nodiscard]] bool icmp() const {
        return ipv6 ? protocol == IPPROTO_ICMPV6 : protocol == IPPROTO_ICMP;
    }
    [[nodiscard]] std::size_t header() const { return udp() ? 8 : 20; }
    [[nodiscard]] std::size_t checksum() const { return l4 + (udp() ? 6 : 16); }
};

namespace {

constexpr std::size_t kFarthest = 512; // a header that begins later is not looked at
constexpr unsigned kMostExtensions = 6;
constexpr std::size_t kIcmpHeader = 8;

unsigned read16(ByteView bytes, std::size_t at) { return bytes[at] * 256U + bytes[at + 1]; }

Reading no(const char* problem) {
    Reading r;
    r.problem = problem;
    return r;
}

// The header after IPv6 extensions. Each must begin within reach and have its first 4 bytes.
Reading after_extensions(ByteView frame, Reading r) {
    const std::size_t start = r.l4;
    for (unsigned n = 0; n < kMostExtensions; ++n) {
        const std::uint8_t type = r.protocol;
        const bool options =
            type == IPPROTO_HOPOPTS || type == IPPROTO_ROUTING || type == IPPROTO_DSTOPTS;
        if (!options && type != IPPROTO_FRAGMENT && type != IPPROTO_AH) break;
        if (r.l4 > kFarthest) return no("extension header out of reach");
        if (r.l4 + 4 > frame.size()) return no("extension header is cut");
        const std::size_t length = frame[r.l4 + 1];
        r.protocol = frame[r.l4];
        if (type == IPPROTO_FRAGMENT) {
            if ((read16(frame, r.l4 + 2) & 0xfff8U) != 0) return no("later fragment");
            r.fragment = (read16(frame, r.l4 + 2) & 1U) != 0;
            r.l4 += 8;
        } else {
            r.l4 += options ? (length + 1) * 8 : (length + 2) * 4;
        }
    }
    if (r.claimed) {
        if (*r.claimed <= r.l4 - start) return no("IPv6 payload ends in the extensions");
        *r.claimed -= r.l4 - start;
    }
    return r;
}

Reading read_ip(ByteView frame, std::size_t at, bool ipv6) {
    if (at > kFarthest) return no("out of reach");
    if (at + (ipv6 ? 40 : 20) > frame.size()) return no("IP header is cut");
    const ByteView ip = frame.subspan(at);
    if (ip[0] >> 4U != (ipv6 ? 6 : 4)) return no("wrong version");
    Reading r;
    r.ipv6 = ipv6;
    if (ipv6) {
        r.src = Address::from_bytes(ip.subspan(8, 16));
        r.dst = Address::from_bytes(ip.subspan(24, 16));
        r.protocol = ip[6];
        r.l4 = at + 40;
        if (const unsigned length = read16(ip, 4); length != 0) r.claimed = length;
        return after_extensions(frame, std::move(r));
    }
    const std::size_t size = (ip[0] & 15U) * std::size_t{4};
    if (size < 20) return no("IPv4 header too short");
    if ((read16(ip, 6) & 0x1fffU) != 0) return no("later fragment");
    r.src = Address::from_bytes(ip.subspan(12, 4));
    r.dst = Address::from_bytes(ip.subspan(16, 4));
    r.fragment = (read16(ip, 6) & 0x2000U) != 0;
    r.protocol = ip[9];
    r.l4 = at + size;
    if (const unsigned total = read16(ip, 2); total != 0) {
        if (total <= size) return no("IPv4 total length leaves nothing");
        r.claimed = total - size;
    }
    return r;
}

struct Frame {
    Reading ip;
    bool tagged = false;
};

Frame read_frame(ByteView frame) {
    if (frame.size() < 14) return {no("no Ethernet header")};
    Frame f;
    std::size_t at = 14;
    unsigned type = read16(frame, 12);
    for (int tags = 0; tags < 2 && (type == 0x8100 || type == 0x88a8); ++tags) {
        if (at + 4 > frame.size()) return {no("VLAN tag is cut")};
        f.tagged |= (read16(frame, at) & 0x0fffU) != 0;
        type = read16(frame, at + 2);
        at += 4;
    }
    f.ip = type == 0x0800 || type == 0x86dd ? read_ip(frame, at, type == 0x86dd) : no("not IP");
    return f;
}

// Whether the transport header contradicts itself or what the IP header says.
bool contradicts(ByteView frame, const Reading& r) {
    if (r.claimed && *r.claimed < r.header()) return true;
    if (r.claimed && r.l4 + *r.claimed > frame.size()) return true;
    const auto fits = [&](std::size_t size) {
        return !r.claimed || r.fragment || size <= *r.claimed;
    };
    if (r.udp()) {
        const unsigned length = read16(frame, r.l4 + 4);
        return length != 0 && (length < 8 || !fits(length));
    }
    const std::size_t size = (frame[r.l4 + 12] >> 4U) * std::size_t{4};
    return size < 20 || !fits(size);
}

bool is_error(const Reading& r, std::uint8_t type) {
    if (r.ipv6) return type >= 1 && type <= 4;
    return type == 3 || type == 5 || type == 11 || type == 12;
}

bool is_multicast(const Address& a) {
    if (a.is_ipv6()) return a.bytes()[0] == 0xff;
    return a.bytes()[0] >> 4U == 14 || a == Address("255.255.255.255");
}

// The checksum at `at` after a covered word went from one value to another (RFC 1624).
void move(Bytes& frame, std::size_t at, unsigned from, unsigned to, bool udp) {
    const unsigned old = read16(frame, at);
    if (udp && old == 0) return;
    unsigned sum = (~old & 0xffffU) + (~from & 0xffffU) + to;
    while (sum > 0xffff)
        sum = (sum & 0xffffU) + (sum >> 16U);
    unsigned fresh = ~sum & 0xffffU;
    if (udp && fresh == 0) fresh = 0xffff;
    frame[at] = static_cast<std::uint8_t>(fresh >> 8U);
    frame[at + 1] = static_cast<std::uint8_t>(fresh);
}

Bytes with_port(Bytes frame, const Reading& r, std::size_t at, unsigned port) {
    const unsigned old = read16(frame, at);
    frame[at] = static_cast<std::uint8_t>(port >> 8U);
    frame[at + 1] = static_cast<std::uint8_t>(port);
    if (r.checksum() + 2 <= frame.size()) move(frame, r.checksum(), old, port, r.udp());
    return frame;
}

// What lies past the error's own end is the frame's padding, whatever it looks like.
std::size_t end_of(ByteView frame, const Reading& error) {
    return error.claimed ? std::min(frame.size(), error.l4 + *error.claimed) : frame.size();
}

// The quoted packet's port; the error's checksum takes the change unless the quote's own did.
Bytes with_quoted_port(const Bytes& frame, const Reading& error, const Reading& quote,
                       std::size_t at, unsigned port) {
    const std::size_t end = end_of(frame, error);
    Bytes after(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(end));
    after = with_port(std::move(after), quote, at, port);
    after.insert(after.end(), frame.begin() + static_cast<std::ptrdiff_t>(end), frame.end());
    const bool cancels =
        quote.checksum() + 2 <= end && !(quote.udp() && read16(frame, quote.checksum()) == 0);
    if (!cancels) move(after, error.l4 + 2, read16(frame, at), port, false);
    return after;
}

std::optional<Reading> quoted(ByteView frame, const Reading& error) {
    if (error.l4 + kIcmpHeader > frame.size() || !is_error(error, frame[error.l4])) return {};
    Reading quote = read_ip(frame, error.l4 + kIcmpHeader, error.ipv6);
    if (quote.problem || !quote.has_ports() || quote.l4 > kFarthest ||
        quote.l4 + 8 > end_of(frame, error))
        return {};
    return quote;
}

} // namespace

const OracleRule* Oracle::rule_for(bool udp, const Address& to, unsigned port) const {
    const auto covers = [&](const OracleRule& rule) {
        return rule.udp == udp && rule.listen_first <= port && port <= rule.listen_last &&
               (!rule.address || *rule.address == to);
    };
    const auto found = std::ranges::find_if(rules_, covers);
    return found == rules_.end() ? nullptr : &*found;
}

bool Oracle::is_target(bool udp, unsigned port) const {
    return std::ranges::any_of(rules_, [&](const OracleRule& rule) {
        return rule.udp == udp && rule.target_first <= port &&
               port - rule.target_first <= unsigned{rule.listen_last} - rule.listen_first;
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

    const OracleRule* rule = rule_for(ip.udp(), ip.dst, dport);
    const bool opens = ip.udp() || (frame[ip.l4 + 13] & 0x16U) == 0x02;
    if (!rule) {
        if (!is_target(ip.udp(), dport) || !opens) return {frame, "no rule"};
        flows_.erase({ip.udp(), ip.src.text(), ip.dst.text(), sport, dport});
        return {frame, "a direct client"};
    }
    if (tagged && !rule->vlan) return {frame, "tagged"};
    const unsigned target = rule->target_first + dport - rule->listen_first;
    const Flow flow{ip.udp(), ip.src.text(), ip.dst.text(), sport, target};
    const auto known = flows_.find(flow);
    if (is_multicast(ip.dst) && (known == flows_.end() || known->second != dport))
        return {frame, "multicast"};
    flows_[flow] = dport;
    return {with_port(frame, ip, ip.l4 + 2, target), "redirected"};
}

Answer Oracle::out(const Bytes& frame) const {
    const Reading ip = read_frame(frame).ip;
    if (ip.problem) return {frame, ip.problem};
    if (ip.icmp()) return out_error(frame, ip);
    if (!ip.has_ports()) return {frame, "no ports"};
    if (ip.l4 > kFarthest || ip.l4 + ip.header() > frame.size()) return {frame, "ports are cut"};
    const unsigned sport = read16(frame, ip.l4), dport = read16(frame, ip.l4 + 2);
    const auto flow = flows_.find({ip.udp(), ip.dst.text(), ip.src.text(), dport, sport});
    if (!is_target(ip.udp(), sport) || flow == flows_.end()) return {frame, "not on record"};
    return {with_port(frame, ip, ip.l4, flow->second), "translated back"};
}

// A router quotes our reply: its source port was a listen port on the wire.
Answer Oracle::in_error(const Bytes& frame, const Reading& error) const {
    const auto quote = quoted(frame, error);
    if (!quote) return {frame, "quotes nothing"};
    const unsigned sport = read16(frame, quote->l4), dport = read16(frame, quote->l4 + 2);
    for (const OracleRule& rule : rules_) {
        if (rule.udp != quote->udp() || sport < rule.listen_first || sport > rule.listen_last)
            continue;
        const unsigned target = rule.target_first + sport - rule.listen_first;
        const auto flow =
            flows_.find({rule.udp, quote->dst.text(), quote->src.text(), dport, target});
        if (flow == flows_.end() || flow->second != sport) continue;
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
    if (!is_target(quote->udp(), dport) || flow == flows_.end())
        return {frame, "quotes a stranger"};
    return {with_quoted_port(frame, error, *quote, quote->l4 + 2, flow->second),
            "quote of a client"};
}

} // namespace bpfport::test
