// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/client_spans.hpp"

#include <algorithm>
#include <utility>

namespace bpfport {

namespace {

constexpr unsigned kClientsShift = 32, kLocalShift = 40;
constexpr std::uint64_t kClientsMask = std::uint64_t{0xff} << kClientsShift;
// Behind the 129 lengths of a prefix.
constexpr std::uint64_t kAllButSome = 129, kAll = 130;

constexpr WideRange kEverything{0, ~WideNumber{0}};

// IPv4 addresses are no part of an IPv6 prefix, though they are numbers within ::/0.
std::vector<WideRange> parts_of(const Prefix& prefix) {
    static const WideRange mapped = wide_range(*parse_prefix("0.0.0.0/0"));
    const WideRange whole = wide_range(prefix);
    if (prefix.is_v4() || whole.first > mapped.first || whole.last < mapped.last) return {whole};
    return {{whole.first, mapped.first - 1}, {mapped.last + 1, whole.last}};
}

std::vector<WideRange> without(const std::vector<WideRange>& ranges, const WideRange& hole) {
    std::vector<WideRange> left;
    for (const auto& range : ranges) {
        if (hole.last < range.first || range.last < hole.first) {
            left.push_back(range);
            continue;
        }
        if (range.first < hole.first) left.push_back({range.first, hole.first - 1});
        if (hole.last < range.last) left.push_back({hole.last + 1, range.last});
    }
    return left;
}

// Calls add(first, last, order) for each range, `order` the lower the more specific.
void each_range(const ClientSet& clients, auto&& add) {
    const auto add_parts = [&](std::vector<WideRange> parts, std::uint64_t order) {
        for (const auto& out : clients.not_from())
            for (const WideRange& hole : parts_of(out)) parts = without(parts, hole);
        for (const auto& part : parts) add(part.first, part.last, order);
    };
    for (const auto& prefix : clients.from())
        add_parts(parts_of(prefix), Prefix::kBits - prefix.length);
    if (clients.from().empty())
        add_parts({kEverything}, clients.not_from().empty() ? kAll : kAllButSome);
}

} // namespace

WideRange wide_range(const Prefix& prefix) {
    const WideNumber first = wide(prefix.address.bytes);
    const WideNumber host_bits =
        prefix.length < Prefix::kBits ? ~WideNumber{0} >> prefix.length : WideNumber{0};
    return {first, first | host_bits};
}

std::uint64_t rule_rank(unsigned local_bits, const ClientSet& clients, std::uint32_t ports) {
    // A prefix's length is put in by client_ranges(): before that, every set comes before all clients.
    const std::uint64_t order = clients.has_all() ? kAll : 0;
    return std::uint64_t{local_bits} << kLocalShift | order << kClientsShift | ports;
}

std::vector<AddressRange> client_ranges(const AddressRange& rule) {
    static const ClientSet all;
    std::vector<AddressRange> ranges;
    each_range(rule.clients ? *rule.clients : all,
               [&](WideNumber first, WideNumber last, std::uint64_t order) {
                   const std::uint64_t rank = (rule.rank & ~kClientsMask) | order << kClientsShift;
                   ranges.push_back({first, last, rank, rule.id, nullptr});
               });
    return ranges;
}

std::vector<AddressRange> client_ranges(const ClientSet& clients) {
    return client_ranges(AddressRange{0, 0, 0, 1, &clients});
}

} // namespace bpfport
