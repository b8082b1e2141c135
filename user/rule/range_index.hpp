// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
// RangeIndex: port ranges with a key each, asked which of one key overlap a range. A binary tree in a
// sorted array, each node with the highest port of all below it (an interval tree), so a question costs
// the logarithm of the size, and the ranges found.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <vector>

#include "rule/port.hpp"

namespace bpfport {

template <typename Key> class RangeIndex {
  public:
    // `value` is what a question finds.
    void add(const Key& key, PortRange range, std::size_t value) {
        nodes_.push_back({key, range, 0, value});
    }
    // After the last add().
    void build() {
        std::ranges::sort(nodes_, [](const Node& left, const Node& right) {
            return std::tie(left.key, left.range, left.value) <
                   std::tie(right.key, right.range, right.value);
        });
        for (std::size_t first = 0, end = 0; first < nodes_.size(); first = end) {
            while (end < nodes_.size() && nodes_[end].key == nodes_[first].key) end++;
            set_highest(first, end);
        }
    }
    // Calls see(value) for each, the lowest port first.
    void each_overlapping(const Key& key, PortRange range, auto&& see) const {
        auto [first, end] = std::ranges::equal_range(nodes_, key, {}, &Node::key);
        search(static_cast<std::size_t>(first - nodes_.begin()),
               static_cast<std::size_t>(end - nodes_.begin()), range, see);
    }

  private:
    struct Node {
        Key key;
        PortRange range;
        std::uint16_t highest; // of this node and those below it
        std::size_t value;
    };
    // The node of [first, end) is the one in the middle.
    std::uint16_t set_highest(std::size_t first, std::size_t end) {
        if (first == end) return 0;
        const std::size_t middle = first + (end - first) / 2;
        return nodes_[middle].highest =
                   std::max({nodes_[middle].range.last, set_highest(first, middle),
                             set_highest(middle + 1, end)});
    }
    void search(std::size_t first, std::size_t end, PortRange range, auto& see) const {
        if (first == end) return;
        const std::size_t middle = first + (end - first) / 2;
        const Node& node = nodes_[middle];
        if (node.highest < range.first) return;
        search(first, middle, range, see);
        if (node.range.first > range.last) return;
        if (node.range.overlaps(range)) see(node.value);
        search(middle + 1, end, range, see);
    }

    std::vector<Node> nodes_;
};

} // namespace bpfport
