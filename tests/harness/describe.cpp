// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include <netinet/in.h>

#include <fmt/format.h>

#include "harness/model.hpp"

namespace bpfport::test {
namespace {

std::string_view word(Verdict verdict) {
    switch (verdict) {
    case Verdict::kNone:
        return "none";
    case Verdict::kGood:
        return "ok";
    case Verdict::kBad:
        return "BAD";
    case Verdict::kUnknown:
        return "unknown";
    }
    return "?";
}

std::string protocol_name(std::uint8_t protocol) {
    switch (protocol) {
    case IPPROTO_TCP:
        return "tcp";
    case IPPROTO_UDP:
        return "udp";
    case IPPROTO_ICMP:
        return "icmp";
    case IPPROTO_ICMPV6:
        return "icmp6";
    default:
        return fmt::format("protocol {}", protocol);
    }
}

std::string details(ByteView frame, const Headers& h) {
    const auto has = [&](std::size_t size) { return h.l4_offset + size <= frame.size(); };
    if (h.fragment_offset != 0) return "";
    if (h.protocol == IPPROTO_TCP && has(14)) {
        std::string flags;
        for (unsigned bit = 0; bit < 8; ++bit)
            if ((frame[h.l4_offset + 13] >> bit & 1U) != 0) flags += "FSRP.UEW"[bit];
        return fmt::format(" [{}]", flags);
    }
    if ((h.protocol == IPPROTO_ICMP || h.protocol == IPPROTO_ICMPV6) && has(2))
        return fmt::format(" type {} code {}", frame[h.l4_offset], frame[h.l4_offset + 1]);
    return "";
}

std::string describe(ByteView frame, const Headers& h) {
    std::string from = h.src.text();
    std::string to = h.dst.text();
    if (h.sport) from = Endpoint{h.src, *h.sport}.text();
    if (h.dport) to = Endpoint{h.dst, *h.dport}.text();
    const std::string protocol = protocol_name(h.protocol);
    std::string out = fmt::format("{} > {} {}{}", from, to, protocol, details(frame, h));
    if (h.fragment) out += fmt::format(" fragment at {}", h.fragment_offset);
    if (h.cut) out += " cut";
    return out +
           fmt::format(" (ip {}, {} {})", word(h.header_checksum), protocol, word(h.l4_checksum));
}

} // namespace

std::string describe(ByteView frame, Start start) {
    const View view = parse(frame, start);
    std::string out;
    for (const std::uint16_t id : view.vlans) out += fmt::format("vlan {} ", id);
    out += view.packet ? describe(frame, *view.packet) : "not IP";
    if (view.quoted) out += fmt::format(" about {{{}}}", describe(frame, *view.quoted));
    if (!view.problem.empty()) out += fmt::format(" [{}]", view.problem);
    return out + fmt::format(" {} bytes", frame.size());
}

} // namespace bpfport::test
