// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/span_index.hpp"

#include <algorithm>
#include <bit>

namespace bpfport {

namespace {

// Of a list of fewer the search takes no longer than the look-up in an index.
constexpr std::uint32_t kIndexedFrom = 16;

int bits(std::uint64_t number) { return static_cast<int>(std::bit_width(number)); }

// Some of the spans, and how many indexes lead to them at most.
struct Part {
    std::uint32_t at, length;
    int levels;
};

// About as many buckets as the part has spans: where addresses follow each other, a step or two are left of the
// search. A bucket that has many, since its addresses are far from others, has an index of its own.
void append_levels(std::vector<bp_span>& spans, Part part) {
    const std::uint64_t first = spans[part.at + 1].first;
    const auto number = [&](std::uint32_t span) { return spans[part.at + span].first - first; };
    const std::uint64_t range = number(part.length - 1);
    const int shift = std::max(0, bits(range) - bits(part.length) + 1);
    const auto buckets = static_cast<std::uint32_t>((range >> shift) + 1);
    spans.push_back({first, static_cast<std::uint32_t>(shift), buckets});
    const std::size_t begin = spans.size(), end = begin + buckets;
    std::uint32_t span = 1; // the last that begins where the bucket does, or before
    for (std::uint32_t bucket = 0; bucket < buckets; bucket++) {
        const auto next = std::uint64_t{bucket + 1} << shift;
        const bool last = bucket + 1 == buckets;
        std::uint32_t behind = span + 1;
        while (behind < part.length && (last || number(behind) < next)) behind++;
        spans.push_back({0, part.at + span, behind - span});
        span = behind < part.length && number(behind) == next ? behind : behind - 1;
    }
    for (std::size_t bucket = begin; bucket < end; bucket++) {
        const Part inner{spans[bucket].rule, spans[bucket].count, part.levels - 1};
        if (!inner.levels || inner.length < kIndexedFrom) continue;
        spans[bucket].first = spans.size();
        spans[bucket].count |= BP_SPAN_INDEXED;
        append_levels(spans, inner);
    }
}

} // namespace

bool append_index(std::vector<bp_span>& spans, std::uint32_t at, std::uint32_t length) {
    if (length < kIndexedFrom) return false;
    append_levels(spans, {at, length, BP_INDEX_LEVELS});
    return true;
}

} // namespace bpfport
