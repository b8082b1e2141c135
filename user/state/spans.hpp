// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// Spans: ranges of addresses that may lie within each other, as the sorted lists that the programs search
// (bp_span in bpfport/table.h). Pure functions over values.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bpfport/table.h"
#include "rule/client_set.hpp"

namespace bpfport {

inline constexpr std::uint32_t kLoScope = 1; // LOOPBACK_IFINDEX: the scope of lo

// An address as a number: network byte order read as an integer.
__extension__ typedef unsigned __int128 WideNumber;
WideNumber wide(const std::array<std::uint8_t, 16>& address);

struct AddressRange {
    WideNumber first = 0, last = 0; // both belong to it
    std::uint64_t rank = 0; // where ranges overlap the least rank wins, then the earlier one
    std::uint32_t id = 0;   // of the rule, or what add(shares) returned with BP_SPAN_SHARES
    const ClientSet* clients = nullptr; // that it is for, other than all

    bool operator==(const AddressRange&) const = default;
};

// A rule that shares with others.
struct Share {
    std::uint16_t id = 0;
    std::uint32_t weight = 0; // 0: it gets no new connection, unless all are 0
};

// The ranges that cover one address, which moves on.
class OpenRanges {
  public:
    using Entry = std::pair<std::uint64_t, std::size_t>; // rank, index

    void clear() { open_.clear(); }
    // Before the address is moved to where this one begins.
    void add(const AddressRange& range, std::size_t index) {
        begun_.emplace_back(range.rank, index);
    }
    void move_to(WideNumber address, const std::vector<AddressRange>& ranges);
    [[nodiscard]] const std::vector<Entry>& best_first() const { return open_; }

  private:
    std::vector<Entry> open_, begun_;
};

// The spans of one side of the table: sets, and the lists of addresses they refer to.
class SpanStore {
  public:
    // Index 0 is the empty set. `expected`: spans that there may be room for from the beginning.
    explicit SpanStore(std::size_t expected = 0);

    // The index of the clients of a rule; 0 for all.
    std::uint32_t add(const ClientSet& clients);

    // The index of rules that share by weight.
    std::uint32_t add(const std::vector<Share>& shares);

    using Scopes = std::map<std::uint32_t, std::vector<AddressRange>>; // by enum bp_scope
    // The index of the set. Scopes with the same ranges share a list.
    std::uint32_t add(Scopes scopes);

    [[nodiscard]] const std::vector<bp_span>& spans() const { return spans_; }
    // The same; nothing is added afterwards.
    [[nodiscard]] std::vector<bp_span> take_spans() { return std::move(spans_); }

  private:
    using Ranges = std::vector<AddressRange>;
    struct Hash {
        std::size_t operator()(const Ranges& ranges) const;
    };
    struct List {
        std::uint32_t index, length; // with BP_SPAN_INDEXED, if it has an index
    };
    // From an address on, up to the next one.
    struct Stretch {
        WideNumber first;
        std::uint32_t rule, count; // of its span
    };
    using Stretches = std::vector<Stretch>;
    // Where a range begins, or where it is over.
    struct Edge {
        WideNumber at;
        bool begins;
        std::size_t range;
    };
    // The memory of one turn of stretches_of(), kept for the next: lists may be many and short.
    struct Turn {
        std::vector<Edge> edges;
        OpenRanges open;
        std::vector<const AddressRange*> asked;
        Stretches stretches;
    };
    const Stretches& stretches_of(const Ranges& ranges, Turn& turn);
    Stretch winner(const std::vector<const AddressRange*>& open);
    // Adds the lists of less significant halves, and returns that of the other halves.
    const std::vector<bp_span>& list_of(const Stretches& stretches);
    List append(const std::vector<bp_span>& list);
    List list_for(Ranges ranges, Turn& turn);

    std::vector<bp_span> spans_;
    std::unordered_map<Ranges, List, Hash> lists_; // of one set
    std::map<ClientSet, std::uint32_t> clients_;
    Turn of_local_, of_clients_;      // the second one within the first
    std::vector<bp_span> list_, low_; // of list_of()
};

// search_set() of bpf/lib/rules.h, in the spans of one side.
std::uint32_t search_set(const bp_span* spans, std::uint32_t set, std::uint32_t scope,
                         WideNumber local, WideNumber peer);

// share_of() of bpf/lib/rules.h: of what search_set() has found, the rule that takes a connection with this
// bp_share_hash().
std::uint16_t share_of(const bp_span* spans, std::uint32_t found, std::uint32_t hash);

// Whether the clients at that index, other than 0, have one with this address.
bool has_client(const bp_span* spans, std::uint32_t index, WideNumber peer);
// Back from the spans of one side; of index 0 all. None: no clients were written there.
std::optional<ClientSet> clients_at(std::span<const bp_span> spans, std::uint32_t index);

} // namespace bpfport
