// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/spans.hpp"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace bpfport {

namespace {

bp_span span(WideNumber first, std::uint32_t rule, std::uint32_t count = 0) {
    return {
        {static_cast<std::uint64_t>(first >> 64), static_cast<std::uint64_t>(first)}, rule, count};
}

WideNumber first_of(const bp_span& span) {
    return static_cast<WideNumber>(span.first[0]) << 64 | span.first[1];
}

// Where a range begins, or where it is over.
struct Edge {
    WideNumber at;
    bool begins;
    std::size_t range;
};

std::vector<Edge> edges_of(const std::vector<AddressRange>& ranges) {
    std::vector<Edge> edges;
    edges.reserve(2 * ranges.size());
    for (std::size_t i = 0; i < ranges.size(); i++) {
        edges.push_back({ranges[i].first, true, i});
        if (ranges[i].last + 1 != 0) edges.push_back({ranges[i].last + 1, false, i});
    }
    std::ranges::sort(edges, {}, &Edge::at);
    return edges;
}

// The last of `count` spans from `at` on that does not begin behind `key`; the first one, if all do.
const bp_span& search(const bp_span* at, std::uint32_t count, WideNumber key) {
    const bp_span* behind = std::upper_bound(
        at + 1, at + std::max(count, 1U), key,
        [](WideNumber wanted, const bp_span& other) { return wanted < first_of(other); });
    return behind[-1];
}

} // namespace

WideNumber wide(const std::array<std::uint8_t, 16>& address) {
    WideNumber number = 0;
    for (std::uint8_t byte : address) number = number << 8 | byte;
    return number;
}

std::vector<bp_span> spans_of(const std::vector<AddressRange>& ranges) {
    std::vector<bp_span> spans{span(0, 0)};
    std::set<std::pair<std::uint64_t, std::size_t>> open; // rank, index
    auto edges = edges_of(ranges);
    for (auto edge = edges.begin(); edge != edges.end();) {
        WideNumber at = edge->at;
        for (; edge != edges.end() && edge->at == at; ++edge) {
            std::pair entry(ranges[edge->range].rank, edge->range);
            if (edge->begins)
                open.insert(entry);
            else
                open.erase(entry);
        }
        std::uint32_t rule = open.empty() ? 0 : ranges[open.begin()->second].id;
        if (at == 0)
            spans.back().rule = rule;
        else if (rule != spans.back().rule)
            spans.push_back(span(at, rule));
    }
    return spans;
}

// Behind the empty set no scope is found: none is that large.
SpanStore::SpanStore() : spans_{span(0, 0), span(~WideNumber{0}, 0)} {}

std::uint32_t SpanStore::add(const Scopes& scopes) {
    auto set = static_cast<std::uint32_t>(spans_.size());
    spans_.push_back(span(0, 0, static_cast<std::uint32_t>(scopes.size())));
    spans_.resize(spans_.size() + scopes.size());
    using Key = std::vector<std::tuple<WideNumber, WideNumber, std::uint64_t, std::uint16_t>>;
    std::map<Key, std::pair<std::uint32_t, std::uint32_t>> lists; // index and length
    std::uint32_t at = set;
    for (const auto& [scope, ranges] : scopes) {
        Key key;
        for (const auto& range : ranges)
            key.emplace_back(range.first, range.last, range.rank, range.id);
        auto [known, fresh] = lists.try_emplace(std::move(key));
        if (fresh) {
            auto list = spans_of(ranges);
            known->second = {static_cast<std::uint32_t>(spans_.size()),
                             static_cast<std::uint32_t>(list.size())};
            spans_.insert(spans_.end(), list.begin(), list.end());
        }
        auto [index, length] = known->second;
        spans_[++at] = span(static_cast<WideNumber>(scope) << 64, index, length);
    }
    return set;
}

std::uint16_t search_set(const bp_span* spans, std::uint32_t set, std::uint32_t scope,
                         WideNumber address) {
    const bp_span& found =
        search(spans + set + 1, spans[set].count, static_cast<WideNumber>(scope) << 64);
    if (found.first[0] != scope) return 0;
    return static_cast<std::uint16_t>(search(spans + found.rule, found.count, address).rule);
}

} // namespace bpfport
