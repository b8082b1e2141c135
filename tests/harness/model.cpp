// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "harness/model.hpp"

#include <netinet/in.h>

#include <algorithm>

namespace bpfport::test {
namespace {

std::uint16_t read16(ByteView bytes, std::size_t at) {
    return static_cast<std::uint16_t>(bytes[at] * 256 + bytes[at + 1]);
}

bool is_icmp(std::uint8_t protocol) {
    return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

// ICMP and ICMPv6 messages that carry the packet they are about.
bool is_error(std::uint8_t protocol, std::uint8_t type) {
    if (protocol == IPPROTO_ICMPV6) return type >= 1 && type <= 4;
    return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

// Where the checksum is in the header of `protocol`; 0: there is none that we know.
std::size_t checksum_field(std::uint8_t protocol) {
    switch (protocol) {
    case IPPROTO_TCP:
        return 16;
    case IPPROTO_UDP:
        return 6;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        return 2;
    default:
        return 0;
    }
}

// Where the part that the L4 checksum covers ends. UDP says so itself: what the IP packet has
// beyond its length is padding.
std::size_t covered_end(ByteView frame, const Headers& h) {
    if (h.protocol != IPPROTO_UDP) return h.end;
    return h.l4_offset + read16(frame, h.l4_offset + 4);
}

Verdict judge_l4(ByteView frame, const Headers& h) {
    const std::uint16_t stored = read16(frame, *h.checksum_offset);
    if (h.protocol == IPPROTO_UDP && stored == 0)
        return h.src.is_ipv6() ? Verdict::kBad : Verdict::kNone; // RFC 8200: it is not optional
    if (h.fragment || h.cut) return Verdict::kUnknown;
    if (covered_end(frame, h) > h.end || covered_end(frame, h) < *h.checksum_offset + 2)
        return Verdict::kBad;
    // A receiver sums up the stored field as well: 0x0000 and 0xffff are the same to it.
    const std::uint16_t computed = l4_checksum(frame, h);
    return stored % 0xffff == computed % 0xffff ? Verdict::kGood : Verdict::kBad;
}

class Parser {
  public:
    explicit Parser(ByteView frame) : frame_(frame), limit_(frame.size()) {}

    View run(Start start) {
        std::size_t at = 0;
        std::uint16_t type = 0;
        if (start == Start::kEthernet) {
            if (!has(0, 14)) return stop("no whole Ethernet header");
            type = read16(frame_, 12);
            at = 14;
            while (type == 0x8100 || type == 0x88a8 || type == 0x9100) {
                if (!has(at, 4)) return stop("no whole VLAN tag");
                view_.vlans.push_back(read16(frame_, at) & 0x0fff);
                type = read16(frame_, at + 2);
                at += 4;
            }
            if (type != 0x0800 && type != 0x86dd) return std::move(view_);
        }
        view_.packet = network(at);
        if (!view_.packet) return std::move(view_);
        const Headers& outer = *view_.packet;
        if (is_icmp(outer.protocol) && !outer.fragment && has(outer.l4_offset, 8) &&
            is_error(outer.protocol, frame_[outer.l4_offset])) {
            // Bytes of the frame behind the packet's end are no part of the quote.
            if (outer.end > outer.l4_offset) limit_ = std::min(outer.end, frame_.size());
            view_.quoted = network(outer.l4_offset + 8);
        }
        return std::move(view_);
    }

  private:
    [[nodiscard]] bool has(std::size_t at, std::size_t size) const { return at + size <= limit_; }

    View stop(std::string problem) {
        view_.problem = std::move(problem);
        return std::move(view_);
    }

    std::optional<Headers> network(std::size_t at) {
        const unsigned version = has(at, 1) ? frame_[at] >> 4U : 0U;
        std::optional<Headers> headers;
        if (version == 4) headers = ipv4(at);
        if (version == 6) headers = ipv6(at);
        if (!headers) {
            if (view_.problem.empty()) view_.problem = "no whole IP header";
            return {};
        }
        headers->cut = headers->end > limit_;
        if (headers->fragment_offset == 0) transport(*headers);
        return headers;
    }

    std::optional<Headers> ipv4(std::size_t at) {
        if (!has(at, 20)) return {};
        const std::size_t size = (frame_[at] & 0x0fU) * std::size_t{4};
        if (size < 20 || !has(at, size)) return {};
        Headers h;
        h.offset = at;
        h.end = at + read16(frame_, at + 2);
        h.src = Address::from_bytes(frame_.subspan(at + 12, 4));
        h.dst = Address::from_bytes(frame_.subspan(at + 16, 4));
        h.protocol = frame_[at + 9];
        h.l4_offset = at + size;
        const std::uint16_t fragment = read16(frame_, at + 6);
        h.fragment_offset = static_cast<std::uint16_t>((fragment & 0x1fff) * 8);
        h.fragment = (fragment & 0x3fff) != 0;
        h.header_checksum =
            ones_sum(frame_.subspan(at, size)) == 0xffff ? Verdict::kGood : Verdict::kBad;
        if (h.end < h.l4_offset) view_.problem = "IPv4 total length ends inside the header";
        return extensions(std::move(h));
    }

    std::optional<Headers> ipv6(std::size_t at) {
        if (!has(at, 40)) return {};
        Headers h;
        h.offset = at;
        h.end = at + 40 + read16(frame_, at + 4);
        h.src = Address::from_bytes(frame_.subspan(at + 8, 16));
        h.dst = Address::from_bytes(frame_.subspan(at + 24, 16));
        h.protocol = frame_[at + 6];
        h.l4_offset = at + 40;
        return extensions(std::move(h));
    }

    // Walks to the transport header. IPv4 has AH alone of these.
    std::optional<Headers> extensions(Headers h) {
        const bool v6 = h.src.is_ipv6();
        while (h.fragment_offset == 0) {
            const std::size_t at = h.l4_offset;
            std::size_t size = 0;
            if (h.protocol == IPPROTO_AH) {
                size = has(at, 2) ? (frame_[at + 1] + std::size_t{2}) * 4 : 0;
            } else if (v6 && h.protocol == IPPROTO_FRAGMENT) {
                size = 8;
                if (has(at, 8)) {
                    h.fragment_offset = read16(frame_, at + 2) & 0xfff8;
                    h.fragment |= (read16(frame_, at + 2) & 0xfff9) != 0;
                }
            } else if (v6 && (h.protocol == IPPROTO_HOPOPTS || h.protocol == IPPROTO_ROUTING ||
                              h.protocol == IPPROTO_DSTOPTS)) {
                size = has(at, 2) ? (frame_[at + 1] + std::size_t{1}) * 8 : 0;
            } else {
                break;
            }
            if (size == 0 || !has(at, size)) {
                view_.problem = "extension header is cut";
                break;
            }
            h.protocol = frame_[at];
            h.l4_offset += size;
        }
        return h;
    }

    void transport(Headers& h) {
        const std::size_t limit = std::min(h.end, limit_);
        const auto reaches = [&](std::size_t size) { return h.l4_offset + size <= limit; };
        if ((h.protocol == IPPROTO_TCP || h.protocol == IPPROTO_UDP) && reaches(4)) {
            h.sport = read16(frame_, h.l4_offset);
            h.dport = read16(frame_, h.l4_offset + 2);
        }
        const std::size_t field = checksum_field(h.protocol);
        if (field == 0 || !reaches(field + 2)) return;
        h.checksum_offset = h.l4_offset + field;
        h.l4_checksum = judge_l4(frame_, h);
    }

    ByteView frame_;
    std::size_t limit_; // where what is read ends
    View view_;
};

bool acceptable(const std::optional<Headers>& h) {
    return !h || (h->header_checksum != Verdict::kBad && h->l4_checksum != Verdict::kBad);
}

} // namespace

std::uint16_t ones_sum(ByteView bytes) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += read16(bytes, i);
    if (bytes.size() % 2 == 1) sum += bytes.back() * 256U;
    while (sum >= 0x10000) sum = sum % 0x10000 + sum / 0x10000;
    return static_cast<std::uint16_t>(sum);
}

std::uint16_t l4_checksum(ByteView frame, const Headers& h) {
    const ByteView part = frame.subspan(h.l4_offset, covered_end(frame, h) - h.l4_offset);
    Bytes summed;
    if (h.protocol != IPPROTO_ICMP) { // RFC 8200 section 8.1; zero bytes more for IPv4 do no harm
        summed.insert(summed.end(), h.src.bytes().begin(), h.src.bytes().end());
        summed.insert(summed.end(), h.dst.bytes().begin(), h.dst.bytes().end());
        const auto size = static_cast<std::uint32_t>(part.size());
        for (const unsigned shift : {24U, 16U, 8U, 0U})
            summed.push_back(static_cast<std::uint8_t>(size >> shift));
        summed.insert(summed.end(), {0, 0, 0, h.protocol});
    }
    const std::size_t field = summed.size() + checksum_field(h.protocol);
    summed.insert(summed.end(), part.begin(), part.end());
    summed.at(field) = summed.at(field + 1) = 0;
    const auto checksum = static_cast<std::uint16_t>(~ones_sum(summed));
    return h.protocol == IPPROTO_UDP && checksum == 0 ? std::uint16_t{0xffff} : checksum;
}

bool View::checksums_good() const { return acceptable(packet) && acceptable(quoted); }

View parse(ByteView frame, Start start) { return Parser(frame).run(start); }

} // namespace bpfport::test
