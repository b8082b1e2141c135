// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "trace/frame.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

namespace bpfport {

namespace {

constexpr std::size_t kEthernet = 14;
constexpr unsigned kIpv4 = 0x0800, kIpv6 = 0x86dd;
constexpr std::string_view kFlagLetters = "FSRPA"; // by bit

void put16(Frame& out, unsigned value) {
    out.push_back(static_cast<std::uint8_t>(value >> 8));
    out.push_back(static_cast<std::uint8_t>(value));
}

void put32(Frame& out, std::uint32_t value) {
    put16(out, value >> 16);
    put16(out, value & 0xffff);
}

void put_address(Frame& out, const Address& address) {
    out.insert(out.end(), address.bytes.begin() + (address.is_v4() ? 12 : 0), address.bytes.end());
}

unsigned get16(std::span<const std::uint8_t> bytes, std::size_t at) {
    return static_cast<unsigned>(bytes[at] << 8 | bytes[at + 1]);
}

// The ones' complement sum that Internet checksums are made of, folded.
unsigned ones_sum(std::span<const std::uint8_t> bytes, unsigned sum = 0) {
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += get16(bytes, i);
    if (bytes.size() % 2) sum += static_cast<unsigned>(bytes.back() << 8);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

unsigned pseudo_sum(const Address& source, const Address& destination, unsigned protocol,
                    std::size_t length) {
    Frame pseudo;
    put_address(pseudo, source);
    put_address(pseudo, destination);
    put32(pseudo, static_cast<std::uint32_t>(length));
    put32(pseudo, protocol);
    return ones_sum(pseudo);
}

Frame transport(const PacketSpec& spec) {
    bool tcp = spec.protocol == Protocol::kTcp;
    Frame out;
    put16(out, spec.source_port);
    put16(out, spec.destination_port);
    if (tcp) {
        put32(out, spec.sequence);
        put32(out, 0);
        out.push_back(5 << 4);
        out.push_back(spec.flags);
        put16(out, 65535);
        put32(out, 0); // checksum, urgent pointer
    } else {
        put16(out, 8);
        put16(out, 0);
    }
    unsigned sum = ones_sum(out, pseudo_sum(spec.source, spec.destination,
                                            tcp ? IPPROTO_TCP : IPPROTO_UDP, out.size()));
    unsigned checksum = ~sum & 0xffff;
    if (!checksum && !tcp) checksum = 0xffff;
    std::size_t at = tcp ? 16 : 6;
    out[at] = static_cast<std::uint8_t>(checksum >> 8);
    out[at + 1] = static_cast<std::uint8_t>(checksum);
    return out;
}

bool parse_endpoint(std::string_view text, Address& address, std::uint16_t& port) {
    auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return false;
    auto number = parse_port_number(text.substr(colon + 1));
    auto host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    auto parsed = parse_address(host);
    if (!number || !*number || !parsed) return false;
    address = *parsed;
    port = *number;
    return true;
}

std::optional<std::uint8_t> parse_flags(std::string_view text) {
    std::uint8_t flags = 0;
    for (char letter : text) {
        auto bit = kFlagLetters.find(letter == '.' ? 'A' : letter);
        if (bit == std::string_view::npos) return std::nullopt;
        flags |= static_cast<std::uint8_t>(1U << bit);
    }
    return flags;
}

} // namespace

Result<PacketSpec> parse_packet_spec(std::string_view text) {
    auto wrong = [&](std::string_view what) {
        return usage_error(fmt::format("{} in packet {:?}", what, text),
                           fmt::format("a packet is {}", kPacketForm));
    };
    std::istringstream words{std::string(text)};
    std::string protocol, source, arrow, destination, flags, rest;
    words >> protocol >> source >> arrow >> destination >> flags >> rest;
    PacketSpec spec;
    if (protocol != "tcp" && protocol != "udp") return wrong("no protocol tcp or udp");
    spec.protocol = protocol == "tcp" ? Protocol::kTcp : Protocol::kUdp;
    if (!parse_endpoint(source, spec.source, spec.source_port))
        return wrong(fmt::format("no address and port {:?}", source));
    if (arrow != ">") return wrong("no \">\" between source and destination");
    if (!parse_endpoint(destination, spec.destination, spec.destination_port))
        return wrong(fmt::format("no address and port {:?}", destination));
    if (spec.source.is_v4() != spec.destination.is_v4())
        return wrong("an IPv4 and an IPv6 address");
    if (!flags.empty()) {
        auto parsed = parse_flags(flags);
        if (!parsed || spec.protocol == Protocol::kUdp || !rest.empty())
            return wrong(fmt::format("unknown {:?}", rest.empty() ? flags : rest));
        spec.flags = *parsed;
    }
    return spec;
}

Frame build_frame(const PacketSpec& spec, const Mac& source, const Mac& destination) {
    Frame payload = transport(spec), out(destination.begin(), destination.end());
    bool tcp = spec.protocol == Protocol::kTcp;
    auto protocol = static_cast<std::uint8_t>(tcp ? IPPROTO_TCP : IPPROTO_UDP);
    out.insert(out.end(), source.begin(), source.end());
    if (spec.source.is_v4()) {
        put16(out, kIpv4);
        Frame ip{0x45, 0};
        put16(ip, static_cast<unsigned>(20 + payload.size()));
        put32(ip, 0x00014000); // id 1, don't fragment
        ip.insert(ip.end(), {64, protocol, 0, 0});
        put_address(ip, spec.source);
        put_address(ip, spec.destination);
        unsigned checksum = ~ones_sum(ip) & 0xffff;
        ip[10] = static_cast<std::uint8_t>(checksum >> 8);
        ip[11] = static_cast<std::uint8_t>(checksum);
        out.insert(out.end(), ip.begin(), ip.end());
    } else {
        put16(out, kIpv6);
        put32(out, 0x60000000);
        put16(out, static_cast<unsigned>(payload.size()));
        out.insert(out.end(), {protocol, 64});
        put_address(out, spec.source);
        put_address(out, spec.destination);
    }
    out.insert(out.end(), payload.begin(), payload.end());
    return out;
}

const char* checksum_text(ChecksumState state) {
    switch (state) {
    case ChecksumState::kCorrect:
        return "correct";
    case ChecksumState::kWrong:
        return "wrong";
    case ChecksumState::kNone:
        return "none (zero)";
    case ChecksumState::kUnknown:
        return "can't be told";
    }
    return "";
}

namespace {

struct Network {
    std::size_t transport = 0; // offset
    std::size_t end = 0;       // of the packet
    unsigned protocol = 0;
    bool fragment = false, later_fragment = false;
};

bool is_extension(unsigned next) {
    return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
           next == IPPROTO_FRAGMENT;
}

std::optional<Network> read_ipv4(std::span<const std::uint8_t> frame, std::size_t at,
                                 FrameView& view) {
    constexpr std::size_t kShortest = 20;
    if (frame.size() < at + kShortest || frame[at] >> 4 != 4) return std::nullopt;
    std::size_t length = (frame[at] & 0x0fU) * 4;
    if (length < kShortest) return std::nullopt;
    Network ip;
    ip.transport = at + length;
    ip.end = at + get16(frame, at + 2);
    ip.protocol = frame[at + 9];
    ip.later_fragment = get16(frame, at + 6) & 0x1fff;
    ip.fragment = get16(frame, at + 6) & 0x3fff;
    view.source = Address::from_v4(&frame[at + 12]);
    view.destination = Address::from_v4(&frame[at + 16]);
    return ip;
}

std::optional<Network> read_ipv6(std::span<const std::uint8_t> frame, std::size_t at,
                                 FrameView& view) {
    if (frame.size() < at + 40 || frame[at] >> 4 != 6) return std::nullopt;
    Network ip;
    ip.protocol = frame[at + 6];
    ip.transport = at + 40;
    ip.end = ip.transport + get16(frame, at + 4);
    view.source = Address::from_v6(&frame[at + 8]);
    view.destination = Address::from_v6(&frame[at + 24]);
    while (is_extension(ip.protocol) && ip.transport + 8 <= frame.size()) {
        auto header = frame.subspan(ip.transport, 8);
        if (ip.protocol == IPPROTO_FRAGMENT) {
            ip.fragment = true;
            ip.later_fragment = get16(header, 2) & 0xfff8;
        }
        ip.transport += ip.protocol == IPPROTO_FRAGMENT ? 8 : (header[1] + 1U) * 8;
        ip.protocol = header[0];
    }
    return ip;
}

ChecksumState check(std::span<const std::uint8_t> frame, const Network& ip, const FrameView& view) {
    bool udp = ip.protocol == IPPROTO_UDP;
    std::size_t field = ip.transport + (udp ? 6 : 16);
    if (field + 2 > frame.size()) return ChecksumState::kUnknown;
    if (udp && !get16(frame, field)) return ChecksumState::kNone;
    if (ip.fragment || ip.end > frame.size() || ip.end < field + 2) return ChecksumState::kUnknown;
    auto segment = frame.subspan(ip.transport, ip.end - ip.transport);
    unsigned sum =
        ones_sum(segment, pseudo_sum(view.source, view.destination, ip.protocol, segment.size()));
    return sum == 0xffff ? ChecksumState::kCorrect : ChecksumState::kWrong;
}

} // namespace

FrameView view_frame(std::span<const std::uint8_t> frame) {
    FrameView view;
    if (frame.size() < kEthernet) {
        view.other = "shorter than an Ethernet header";
        return view;
    }
    std::size_t at = kEthernet;
    unsigned type = get16(frame, 12);
    while ((type == 0x8100 || type == 0x88a8) && frame.size() >= at + 4) {
        type = get16(frame, at + 2);
        at += 4;
    }
    auto ip = type == kIpv4   ? read_ipv4(frame, at, view)
              : type == kIpv6 ? read_ipv6(frame, at, view)
                              : std::nullopt;
    if (!ip) {
        view.other = type == kIpv4 || type == kIpv6 ? "a malformed IP header"
                                                    : fmt::format("ethertype {:#06x}", type);
        return view;
    }
    view.icmp = ip->protocol == IPPROTO_ICMP || ip->protocol == IPPROTO_ICMPV6;
    bool ports = (ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP) &&
                 !ip->later_fragment && ip->transport + 4 <= frame.size();
    if (!ports) {
        view.other = ip->later_fragment ? "a later fragment: it has no ports"
                                        : fmt::format("IP protocol {}", ip->protocol);
        return view;
    }
    view.protocol = ip->protocol == IPPROTO_TCP ? Protocol::kTcp : Protocol::kUdp;
    view.source_port = static_cast<std::uint16_t>(get16(frame, ip->transport));
    view.destination_port = static_cast<std::uint16_t>(get16(frame, ip->transport + 2));
    if (view.protocol == Protocol::kTcp && ip->transport + 14 <= frame.size())
        view.flags = frame[ip->transport + 13];
    view.checksum = check(frame, *ip, view);
    return view;
}

std::string FrameView::to_string() const {
    if (!protocol) return other;
    auto end = [](const Address& address, std::uint16_t port) {
        return address.is_v4() ? fmt::format("{}:{}", address.to_string(), port)
                               : fmt::format("[{}]:{}", address.to_string(), port);
    };
    std::string text = fmt::format("{} {} > {}", bpfport::to_string(*protocol),
                                   end(source, source_port), end(destination, destination_port));
    if (*protocol == Protocol::kUdp) return text;
    std::string letters;
    for (std::size_t bit = 0; bit < kFlagLetters.size(); bit++)
        if (flags & 1U << bit) letters += kFlagLetters[bit];
    return fmt::format("{} [{}]", text, letters);
}

} // namespace bpfport
