// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "state/spans.hpp"

#include <endian.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "state/client_spans.hpp"
#include "state/span_index.hpp"

namespace bpfport {

namespace {

std::uint64_t high_half(WideNumber number) { return static_cast<std::uint64_t>(number >> 64); }
std::uint64_t low_half(WideNumber number) { return static_cast<std::uint64_t>(number); }

// The last of `count` spans from `at` on that does not begin behind `key`; the first one, if all do. It needs
// no index.
const bp_span& search(const bp_span* at, std::uint32_t count, std::uint64_t key) {
    count &= ~BP_SPAN_INDEXED;
    const bp_span* behind = std::upper_bound(
        at + 1, at + std::max(count, 1U), key,
        [](std::uint64_t wanted, const bp_span& other) { return wanted < other.first; });
    return behind[-1];
}

// In a list of addresses.
const bp_span& search_list(const bp_span* spans, std::uint32_t at, std::uint32_t count,
                           WideNumber address) {
    const bp_span& found = search(spans + at, count, high_half(address));
    if (!(found.rule & BP_SPAN_LOW)) return found;
    return search(spans + (found.rule & ~BP_SPAN_LOW), found.count, low_half(address));
}

Address from_wide(WideNumber number) {
    Address address;
    for (auto byte = address.bytes.rbegin(); byte != address.bytes.rend(); ++byte, number >>= 8)
        *byte = static_cast<std::uint8_t>(number);
    return address;
}

} // namespace

void OpenRanges::move_to(WideNumber address, const std::vector<AddressRange>& ranges) {
    std::erase_if(open_, [&](const Entry& entry) { return ranges[entry.second].last < address; });
    std::ranges::sort(begun_);
    const auto middle = static_cast<std::ptrdiff_t>(open_.size());
    open_.insert(open_.end(), begun_.begin(), begun_.end());
    std::ranges::inplace_merge(open_, open_.begin() + middle);
    begun_.clear();
}

WideNumber wide(const std::array<std::uint8_t, 16>& address) {
    std::uint64_t halves[2];
    std::memcpy(halves, address.data(), sizeof(halves));
    return static_cast<WideNumber>(be64toh(halves[0])) << 64 | be64toh(halves[1]);
}

// Behind the empty set no scope is found: none is that large.
SpanStore::SpanStore(std::size_t expected) {
    spans_.reserve(2 + expected);
    spans_ = {{0, 0, 0}, {~std::uint64_t{0}, 0, 0}};
}

// What packets to the local address of `open`, the best first, are given to.
SpanStore::Stretch SpanStore::winner(const std::vector<const AddressRange*>& open) {
    if (open.empty()) return {0, 0, 0};
    if (!open.front()->clients) return {0, open.front()->id, 0};
    Ranges of_clients;
    for (const auto* range : open)
        std::ranges::move(client_ranges(*range), std::back_inserter(of_clients));
    auto [index, length] = list_for(std::move(of_clients), of_clients_);
    return {0, BP_SPAN_CLIENTS | index, length};
}

// Every address is in one stretch, whose `rule` is that of the winning range; 0: none.
const SpanStore::Stretches& SpanStore::stretches_of(const Ranges& ranges, Turn& turn) {
    auto& [edges, open, asked, stretches] = turn;
    edges.clear();
    edges.reserve(2 * ranges.size());
    for (std::size_t i = 0; i < ranges.size(); i++) {
        edges.push_back({ranges[i].first, true, i});
        if (ranges[i].last + 1 != 0) edges.push_back({ranges[i].last + 1, false, i});
    }
    if (!std::ranges::is_sorted(edges, {}, &Edge::at)) std::ranges::sort(edges, {}, &Edge::at);
    open.clear();
    stretches.assign(1, {0, 0, 0});
    stretches.reserve(2 * ranges.size() + 1);
    for (auto edge = edges.begin(); edge != edges.end();) {
        WideNumber at = edge->at;
        for (; edge != edges.end() && edge->at == at; ++edge)
            if (edge->begins) open.add(ranges[edge->range], edge->range);
        open.move_to(at, ranges);
        // Behind the first that is for all clients none is asked.
        asked.clear();
        for (const auto& [rank, index] : open.best_first()) {
            asked.push_back(&ranges[index]);
            if (!ranges[index].clients) break;
        }
        auto next = winner(asked);
        if (at == 0)
            stretches.pop_back();
        else if (next.rule == stretches.back().rule)
            continue;
        next.first = at;
        stretches.push_back(next);
    }
    return stretches;
}

const std::vector<bp_span>& SpanStore::list_of(const Stretches& stretches) {
    auto& list = list_;
    auto& low = low_;
    list.clear();
    for (auto next = stretches.begin(); next != stretches.end();) {
        const std::uint64_t high = high_half(next->first);
        const auto begin = next;
        while (next != stretches.end() && high_half(next->first) == high) ++next;
        const Stretch& last = next[-1];
        if (low_half(last.first) == 0) { // the only one
            list.push_back({high, last.rule, last.count});
            continue;
        }
        low.clear();
        // The one before goes on into this half of addresses.
        if (low_half(begin->first) != 0) low.push_back({0, begin[-1].rule, begin[-1].count});
        for (auto one = begin; one != next; ++one)
            low.push_back({low_half(one->first), one->rule, one->count});
        const auto [index, length] = append(low);
        list.push_back({high, BP_SPAN_LOW | index, length});
        // The last one goes on behind it.
        if (high != ~std::uint64_t{0} &&
            (next == stretches.end() || high_half(next->first) > high + 1))
            list.push_back({high + 1, last.rule, last.count});
    }
    return list;
}

SpanStore::List SpanStore::append(const std::vector<bp_span>& list) {
    List added{static_cast<std::uint32_t>(spans_.size()), static_cast<std::uint32_t>(list.size())};
    spans_.insert(spans_.end(), list.begin(), list.end());
    if (append_index(spans_, added.index, added.length)) added.length |= BP_SPAN_INDEXED;
    return added;
}

std::size_t SpanStore::Hash::operator()(const Ranges& ranges) const {
    std::uint64_t hash = ranges.size();
    const auto mix = [&](std::uint64_t value) {
        hash = (hash ^ value) * 0x9e3779b97f4a7c15;
        hash ^= hash >> 32;
    };
    for (const auto& range : ranges) {
        mix(static_cast<std::uint64_t>(range.first >> 64));
        mix(static_cast<std::uint64_t>(range.first));
        mix(range.rank << 32 | range.id);
    }
    return hash;
}

SpanStore::List SpanStore::list_for(Ranges ranges, Turn& turn) {
    if (auto known = lists_.find(ranges); known != lists_.end()) return known->second;
    const List added = append(list_of(stretches_of(ranges, turn)));
    lists_.emplace(std::move(ranges), added);
    return added;
}

std::uint32_t SpanStore::add(Scopes scopes) {
    auto set = static_cast<std::uint32_t>(spans_.size());
    spans_.push_back({0, 0, static_cast<std::uint32_t>(scopes.size())});
    spans_.resize(spans_.size() + scopes.size());
    lists_.clear();
    std::uint32_t at = set;
    for (auto& [scope, ranges] : scopes) {
        auto [index, length] = list_for(std::move(ranges), of_local_);
        spans_[++at] = {scope, index, length};
    }
    return set;
}

std::uint32_t SpanStore::add(const std::vector<Share>& shares) {
    std::uint64_t sum = 0, before = 0;
    for (const Share& one : shares) sum += one.weight;
    const auto weight_of = [&](const Share& one) -> std::uint64_t { return sum ? one.weight : 1; };
    const auto whole = sum ? sum : shares.size();
    const auto index = static_cast<std::uint32_t>(spans_.size());
    spans_.push_back({0, static_cast<std::uint32_t>(shares.size()), 0});
    for (const Share& one : shares) {
        if (!weight_of(one)) continue;
        spans_.push_back({(before << 32) / whole, one.id, 0});
        before += weight_of(one);
        spans_[index].count++;
    }
    for (const Share& one : shares)
        if (!weight_of(one)) spans_.push_back({~std::uint64_t{0}, one.id, 0});
    return index;
}

std::uint32_t SpanStore::add(const ClientSet& clients) {
    if (clients.has_all()) return 0;
    if (auto known = clients_.find(clients); known != clients_.end()) return known->second;
    const auto& list = list_of(stretches_of(client_ranges(clients), of_clients_));
    const auto index = static_cast<std::uint32_t>(spans_.size());
    const auto add_prefix = [&](const Prefix& prefix, std::uint32_t taken_out) {
        const WideNumber address = wide(prefix.address.bytes);
        for (const std::uint64_t half : {high_half(address), low_half(address)})
            spans_.push_back({half, taken_out, prefix.length});
    };
    const auto prefixes = clients.from().size() + clients.not_from().size();
    spans_.push_back({0, static_cast<std::uint32_t>(prefixes), 0});
    for (const auto& prefix : clients.from()) add_prefix(prefix, 0);
    for (const auto& prefix : clients.not_from()) add_prefix(prefix, 1);
    spans_[index].count = append(list).length;
    clients_.emplace(clients, index);
    return index;
}

std::uint32_t search_set(const bp_span* spans, std::uint32_t set, std::uint32_t scope,
                         WideNumber local, WideNumber peer) {
    const bp_span& of_scope = search(spans + set + 1, spans[set].count, scope);
    if (of_scope.first != scope) return 0;
    const bp_span& found = search_list(spans, of_scope.rule, of_scope.count, local);
    if (!(found.rule & BP_SPAN_CLIENTS)) return found.rule;
    return search_list(spans, found.rule & ~BP_SPAN_CLIENTS, found.count, peer).rule;
}

std::uint16_t share_of(const bp_span* spans, std::uint32_t found, std::uint32_t hash) {
    if (found & BP_SPAN_SHARES) {
        const bp_span& head = spans[found & ~BP_SPAN_SHARES];
        found = search(&head + 1, head.count, hash).rule;
    }
    return static_cast<std::uint16_t>(found);
}

bool has_client(const bp_span* spans, std::uint32_t index, WideNumber peer) {
    const bp_span& head = spans[index];
    return search_list(spans, index + 1 + 2 * head.rule, head.count, peer).rule != 0;
}

std::optional<ClientSet> clients_at(std::span<const bp_span> spans, std::uint32_t index) {
    if (index == 0) return ClientSet();
    if (index >= spans.size() || spans[index].rule >= (spans.size() - index) / 2)
        return std::nullopt;
    std::vector<Prefix> from, not_from;
    auto halves = spans.subspan(index + 1, 2UL * spans[index].rule);
    for (; !halves.empty(); halves = halves.subspan(2)) {
        const bp_span& one = halves[0];
        if (one.count > Prefix::kBits) return std::nullopt;
        const WideNumber address = static_cast<WideNumber>(one.first) << 64 | halves[1].first;
        (one.rule ? not_from : from).push_back({from_wide(address), one.count});
    }
    auto clients = ClientSet::make(std::move(from), std::move(not_from));
    return clients ? std::optional(std::move(*clients)) : std::nullopt;
}

} // namespace bpfport
