// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/spans.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "state/client_spans.hpp"

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

Address from_wide(WideNumber number) {
    Address address;
    for (auto byte = address.bytes.rbegin(); byte != address.bytes.rend(); ++byte, number >>= 8)
        *byte = static_cast<std::uint8_t>(number);
    return address;
}

} // namespace

WideNumber wide(const std::array<std::uint8_t, 16>& address) {
    WideNumber number = 0;
    for (std::uint8_t byte : address) number = number << 8 | byte;
    return number;
}

// Behind the empty set no scope is found: none is that large.
SpanStore::SpanStore() : spans_{span(0, 0), span(~WideNumber{0}, 0)} {}

// What packets to the local address of `open`, the best first, are given to.
bp_span SpanStore::winner(const std::vector<const AddressRange*>& open) {
    if (open.empty()) return span(0, 0);
    if (!open.front()->clients) return span(0, open.front()->id);
    Ranges of_clients;
    for (const auto* range : open)
        std::ranges::move(client_ranges(*range), std::back_inserter(of_clients));
    auto [index, length] = append(of_clients);
    return span(0, BP_SPAN_CLIENTS | index, length);
}

// Every address is in one span, whose `rule` is that of the winning range; 0: none.
std::vector<bp_span> SpanStore::list_of(const Ranges& ranges) {
    std::vector<bp_span> list{span(0, 0)};
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
        // Behind the first that is for all clients none is asked.
        std::vector<const AddressRange*> asked;
        for (const auto& [rank, index] : open) {
            asked.push_back(&ranges[index]);
            if (!ranges[index].clients) break;
        }
        auto next = winner(asked);
        if (at == 0)
            list.pop_back();
        else if (next.rule == list.back().rule)
            continue;
        list.push_back(span(at, next.rule, next.count));
    }
    return list;
}

SpanStore::List SpanStore::append(const Ranges& ranges) {
    Key key;
    for (const auto& range : ranges)
        key.emplace_back(range.first, range.last, range.rank, range.id);
    if (auto known = lists_.find(key); known != lists_.end()) return known->second;
    auto list = list_of(ranges);
    List added{static_cast<std::uint32_t>(spans_.size()), static_cast<std::uint32_t>(list.size())};
    spans_.insert(spans_.end(), list.begin(), list.end());
    lists_.emplace(std::move(key), added);
    return added;
}

std::uint32_t SpanStore::add(const Scopes& scopes) {
    auto set = static_cast<std::uint32_t>(spans_.size());
    spans_.push_back(span(0, 0, static_cast<std::uint32_t>(scopes.size())));
    spans_.resize(spans_.size() + scopes.size());
    lists_.clear();
    std::uint32_t at = set;
    for (const auto& [scope, ranges] : scopes) {
        auto [index, length] = append(ranges);
        spans_[++at] = span(static_cast<WideNumber>(scope) << 64, index, length);
    }
    return set;
}

std::uint32_t SpanStore::add(const std::vector<Share>& shares) {
    std::uint64_t sum = 0, before = 0;
    for (const Share& one : shares) sum += one.weight;
    const auto weight_of = [&](const Share& one) -> std::uint64_t { return sum ? one.weight : 1; };
    const auto whole = sum ? sum : shares.size();
    const auto index = static_cast<std::uint32_t>(spans_.size());
    spans_.push_back(span(0, static_cast<std::uint32_t>(shares.size())));
    for (const Share& one : shares) {
        if (!weight_of(one)) continue;
        spans_.push_back(span(static_cast<WideNumber>((before << 32) / whole) << 64, one.id));
        before += weight_of(one);
        spans_[index].count++;
    }
    for (const Share& one : shares)
        if (!weight_of(one)) spans_.push_back(span(~WideNumber{0}, one.id));
    return index;
}

std::uint32_t SpanStore::add(const ClientSet& clients) {
    if (clients.has_all()) return 0;
    if (auto known = clients_.find(clients); known != clients_.end()) return known->second;
    auto list = list_of(client_ranges(clients));
    auto index = static_cast<std::uint32_t>(spans_.size());
    auto prefixes = clients.from().size() + clients.not_from().size();
    spans_.push_back(
        span(0, static_cast<std::uint32_t>(prefixes), static_cast<std::uint32_t>(list.size())));
    for (const auto& prefix : clients.from())
        spans_.push_back(span(wide(prefix.address.bytes), 0, prefix.length));
    for (const auto& prefix : clients.not_from())
        spans_.push_back(span(wide(prefix.address.bytes), 1, prefix.length));
    spans_.insert(spans_.end(), list.begin(), list.end());
    clients_.emplace(clients, index);
    return index;
}

std::uint32_t search_set(const bp_span* spans, std::uint32_t set, std::uint32_t scope,
                         WideNumber local, WideNumber peer) {
    const bp_span* found =
        &search(spans + set + 1, spans[set].count, static_cast<WideNumber>(scope) << 64);
    if (found->first[0] != scope) return 0;
    found = &search(spans + found->rule, found->count, local);
    if (found->rule & BP_SPAN_CLIENTS)
        found = &search(spans + (found->rule & ~BP_SPAN_CLIENTS), found->count, peer);
    return found->rule;
}

std::uint16_t share_of(const bp_span* spans, std::uint32_t found, std::uint32_t hash) {
    if (found & BP_SPAN_SHARES) {
        const bp_span& head = spans[found & ~BP_SPAN_SHARES];
        found = search(&head + 1, head.count, static_cast<WideNumber>(hash) << 64).rule;
    }
    return static_cast<std::uint16_t>(found);
}

bool has_client(const bp_span* spans, std::uint32_t index, WideNumber peer) {
    const bp_span& head = spans[index];
    return search(&head + 1 + head.rule, head.count, peer).rule != 0;
}

std::optional<ClientSet> clients_at(std::span<const bp_span> spans, std::uint32_t index) {
    if (index == 0) return ClientSet();
    if (index >= spans.size() || spans[index].rule >= spans.size() - index) return std::nullopt;
    std::vector<Prefix> from, not_from;
    for (const auto& one : spans.subspan(index + 1, spans[index].rule)) {
        if (one.count > Prefix::kBits) return std::nullopt;
        (one.rule ? not_from : from).push_back({from_wide(first_of(one)), one.count});
    }
    auto clients = ClientSet::make(std::move(from), std::move(not_from));
    return clients ? std::optional(std::move(*clients)) : std::nullopt;
}

} // namespace bpfport
